package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import build.buf.protovalidate.ValidationResult;
import build.buf.protovalidate.Validator;
import build.buf.protovalidate.ValidatorFactory;
import build.buf.validate.FieldPathElement;
import build.buf.validate.Violation;
import com.google.protobuf.Message;
import io.espalier.router.v1.SearchRequest;
import io.grpc.reflection.v1.ServerReflectionRequest;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ProtoRulesTest {
  private static final long SEED = 20261123;
  private static final int MESSAGES = 5_000;

  @Test
  void violation_randomRequests_agreesWithTheReferenceImplementation() throws Exception {
    Validator reference = ValidatorFactory.newBuilder().build();
    Random random = new Random(SEED);
    List<Message> samples = RequestMutations.samples("token");
    int broken = 0;
    for (int i = 0; i < MESSAGES; i++) {
      Message message =
          RequestMutations.message(samples.get(random.nextInt(samples.size())), random);
      String violation = ProtoRules.of(message.getDescriptorForType()).violation(message);
      ValidationResult expected = reference.validate(message);
      assertThat(violation == null)
          .as("seed %d, message %d: %s against %s", SEED, i, violation, expected)
          .isEqualTo(expected.isSuccess());
      if (violation != null) {
        broken++;
        assertThat(expected.toProto().getViolationsList())
            .as("seed %d, message %d", SEED, i)
            .anyMatch(one -> violation.startsWith(path(one)) && violation.contains(rule(one)));
      }
    }
    assertThat(broken).isBetween(MESSAGES / 10, MESSAGES);
  }

  private static String path(Violation violation) {
    StringBuilder path = new StringBuilder();
    for (FieldPathElement element : violation.getField().getElementsList()) {
      path.append(path.isEmpty() ? "" : ".").append(element.getFieldName());
      if (element.getSubscriptCase() == FieldPathElement.SubscriptCase.INDEX) {
        path.append('[').append(element.getIndex()).append(']');
      }
    }
    return path.toString();
  }

  private static String rule(Violation violation) {
    return switch (violation.getRuleId()) {
      // The reference names a oneof's rule like a field's.
      case "required" -> "required";
      // … and both bounds where a field has both.
      case "int32.gte_lte" -> "int32.";
      default -> violation.getRuleId();
    };
  }

  @Test
  void of_messagesWithoutRules_breaksNone() {
    assertThat(
            ProtoRules.of(ServerReflectionRequest.getDescriptor())
                .violation(ServerReflectionRequest.getDefaultInstance()))
        .isNull();
  }

  @Test
  void check_longValue_isShownInPart() {
    SearchRequest request = SearchRequest.newBuilder().setQuery("🦊".repeat(513)).build();
    assertThatThrownBy(() -> new RequestValidator().check(request))
        .hasMessageStartingWith("query: 🦊")
        .hasMessageContaining(
            "(513 characters) (expected: at most 512 characters; rule string.max_len)");
    new RequestValidator().check(request.toBuilder().setQuery("🦊".repeat(512)).build());
  }
}
