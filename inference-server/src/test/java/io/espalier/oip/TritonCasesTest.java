package io.espalier.oip;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.PrototypeMarshaller;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server answers a table of cases with the codes, the words and the outputs that Triton 2.51
 * gave when {@code src/test/triton/cases.sh} asked it. The cases are asked in their order: the last
 * ones load and unload.
 */
class TritonCasesTest {
  @Test
  void everyCase_isAnsweredAsTritonDoes(@TempDir Path models) throws IOException {
    List<String> table = CaseModels.lines("cases.jsonl");
    assertThat(table).hasSizeGreaterThan(100);
    SoftAssertions all = new SoftAssertions();
    try (ServedEngine served = CaseModels.serve(models)) {
      for (String line : table) {
        check(new ObjectMapper().readTree(line), served.channel(), all);
      }
    }
    all.assertAll();
    System.out.println("TritonCasesTest: " + table.size() + " cases");
  }

  private static void check(JsonNode expected, Channel channel, SoftAssertions all)
      throws InvalidProtocolBufferException {
    String name = expected.get("case").asText();
    MethodDescriptor<Message, Message> method = method(expected.get("method").asText());
    Message response;
    try {
      response =
          ClientCalls.blockingUnaryCall(
              channel,
              method,
              CallOptions.DEFAULT,
              message(method.getRequestMarshaller(), expected.get("request")));
    } catch (StatusRuntimeException e) {
      Status status = e.getStatus();
      all.assertThat(status.getCode().name()).as(name).isEqualTo(expected.get("code").asText());
      if (expected.has("starts")) {
        all.assertThat(status.getDescription())
            .as(name)
            .startsWith(expected.get("starts").asText());
      } else {
        all.assertThat(status.getDescription())
            .as(name)
            .isEqualTo(expected.path("message").asText());
      }
      return;
    }
    all.assertThat("OK").as(name).isEqualTo(expected.get("code").asText());
    if (expected.has("response")) {
      all.assertThat(response)
          .as(name)
          .isEqualTo(message(method.getResponseMarshaller(), expected.get("response")));
    }
  }

  @SuppressWarnings("unchecked")
  private static MethodDescriptor<Message, Message> method(String name) {
    return (MethodDescriptor<Message, Message>)
        GRPCInferenceServiceGrpc.getServiceDescriptor().getMethods().stream()
            .filter(method -> name.equals(method.getBareMethodName()))
            .findFirst()
            .orElseThrow();
  }

  private static Message message(MethodDescriptor.Marshaller<Message> marshaller, JsonNode json)
      throws InvalidProtocolBufferException {
    Message.Builder message =
        Objects.requireNonNull(((PrototypeMarshaller<Message>) marshaller).getMessagePrototype())
            .newBuilderForType();
    if (json != null) {
      JsonFormat.parser().merge(json.toString(), message);
    }
    return message.build();
  }
}
