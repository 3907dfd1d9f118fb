package io.espalier.inference.triton;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.grpc.Status;
import java.nio.channels.ClosedChannelException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StatusReasonsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          UNAVAILABLE | Exceeds maximum queue size | QUEUE_FULL
          UNAVAILABLE | Request timeout expired | EXPIRED
          UNAVAILABLE | io exception: connection refused | NOT_READY
          UNAVAILABLE | | NOT_READY
          NOT_FOUND | Request for unknown model: m is not found | UNKNOWN_MODEL
          NOT_FOUND | Request for unknown model: 'm' has no available versions | UNKNOWN_MODEL
          INVALID_ARGUMENT | unexpected shape for input x | INVALID_INPUT
          DEADLINE_EXCEEDED | | EXPIRED
          RESOURCE_EXHAUSTED | | QUEUE_FULL
          RESOURCE_EXHAUSTED | HTTP/2 error code: ENHANCE_YOUR_CALM, too_many_pings | NOT_READY
          INTERNAL | onnx runtime error | FAILED
          CANCELLED | | FAILED
          UNIMPLEMENTED | | FAILED
          UNKNOWN | | FAILED
          """)
  void exception_status_hasItsReason(Status.Code code, String description, Reason reason) {
    ModelException exception =
        StatusReasons.exception(
            "m", code.toStatus().withDescription(description).asRuntimeException());

    assertThat(exception.reason()).isEqualTo(reason);
    assertThat(exception).hasMessageStartingWith("m: " + code);
  }

  @ParameterizedTest
  @CsvSource({
    "RESOURCE_EXHAUSTED, calls in progress: 1024, true",
    "RESOURCE_EXHAUSTED, 'HTTP/2 error code: ENHANCE_YOUR_CALM', false",
    "UNAVAILABLE, Exceeds maximum queue size, true",
    "UNAVAILABLE, connection refused, false",
    "DEADLINE_EXCEEDED, , false",
    "UNKNOWN, , false"
  })
  void isTooBusy_status_isTrueForRefusalsAlone(
      Status.Code code, String description, boolean expected) {
    Throwable error = code.toStatus().withDescription(description).asRuntimeException();

    assertThat(StatusReasons.isTooBusy(error)).isEqualTo(expected);
  }

  @Test
  void words_ofAConnection_endWithWhatLiesAtTheBottom() {
    Throwable error =
        Status.UNAVAILABLE
            .withDescription("io exception\nChannel Pipeline: [x]")
            .withCause(new IllegalStateException("above", new IllegalStateException("no path")))
            .asRuntimeException();

    assertThat(StatusReasons.words(error)).isEqualTo("UNAVAILABLE: io exception (no path)");
    assertThat(StatusReasons.words(Status.INTERNAL.asRuntimeException())).isEqualTo("INTERNAL: ");
  }

  @Test
  void isOfTheServer_connectionWentBeforeTheCallWasWritten_isTrue() {
    Throwable error =
        Status.UNKNOWN
            .withDescription("channel closed")
            .withCause(new ClosedChannelException())
            .asRuntimeException();

    assertThat(StatusReasons.isOfTheServer(error)).isTrue();
    assertThat(StatusReasons.exception("m", error).reason()).isEqualTo(Reason.NOT_READY);
    assertThat(StatusReasons.isOfTheServer(Status.UNKNOWN.asRuntimeException())).isFalse();
  }
}
