package io.espalier.oip;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.espalier.inference.oip.v2.InferTensorContents;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferRequest.InferInputTensor;
import io.espalier.inference.onnx.TestRepository;
import io.espalier.oip.InferenceSettings.Control;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TraceContextTest {
  private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
  private static final String CALLER = "b7ad6b7169203331";

  /** Keeps what it gets. */
  private static final class Spans implements SpanExporter {
    private final List<SpanData> seen = new CopyOnWriteArrayList<>();

    @Override
    public CompletableResultCode export(Collection<SpanData> spans) {
      seen.addAll(spans);
      return CompletableResultCode.ofSuccess();
    }

    @Override
    public CompletableResultCode flush() {
      return CompletableResultCode.ofSuccess();
    }

    @Override
    public CompletableResultCode shutdown() {
      return CompletableResultCode.ofSuccess();
    }
  }

  @Test
  void modelInfer_callerInATrace_isASpanOfIt(@TempDir Path models) throws Exception {
    new TestRepository(models).affine("affine", "");
    Spans spans = new Spans();
    try (SdkTracerProvider tracers =
            SdkTracerProvider.builder()
                .addSpanProcessor(SimpleSpanProcessor.create(spans))
                .build();
        ServedEngine served =
            ServedEngine.of(
                models,
                Control.NONE,
                OpenTelemetrySdk.builder().setTracerProvider(tracers).build())) {
      served.engine().load("affine");
      Metadata headers = new Metadata();
      headers.put(
          Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER),
          "00-" + TRACE + "-" + CALLER + "-01");

      var unused =
          served
              .stub()
              .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
              .modelInfer(request());

      await().until(() -> spans.seen.size() == 1);
      SpanData span = spans.seen.getFirst();
      assertThat(span.getTraceId()).isEqualTo(TRACE);
      assertThat(span.getParentSpanId()).isEqualTo(CALLER);
      assertThat(span.getName()).isEqualTo("infer affine");
      assertThat(span.getKind()).isEqualTo(SpanKind.SERVER);

      var unusedToo = served.stub().modelInfer(request());
      await().until(() -> spans.seen.size() == 2);
      assertThat(spans.seen.get(1).getTraceId()).isNotEqualTo(TRACE);
    }
  }

  private static ModelInferRequest request() {
    return ModelInferRequest.newBuilder()
        .setModelName("affine")
        .addInputs(
            InferInputTensor.newBuilder()
                .setName("x")
                .setDatatype("FP32")
                .addShape(1)
                .addShape(1)
                .setContents(InferTensorContents.newBuilder().addFp32Contents(1)))
        .build();
  }
}
