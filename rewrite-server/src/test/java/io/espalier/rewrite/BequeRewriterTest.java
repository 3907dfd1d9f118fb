package io.espalier.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleRepository;
import io.espalier.inference.TracedModelRunner;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BequeRewriterTest {
  private static final Duration PATIENT = Duration.ofSeconds(30);

  @Test
  void rewrite_askedInATrace_modelsSpansAreBelowTheRequests(@TempDir Path root) throws Exception {
    new RewriteBundles(root).write();
    InMemorySpanExporter spans = InMemorySpanExporter.create();
    try (OpenTelemetrySdk telemetry = telemetry(spans);
        Rewriter rewriter =
            new RewriterLoader(
                    TracedModelRunner.of(RewriteBundles.runner(), telemetry),
                    RewriteSettings.defaults().withModelBudget(PATIENT),
                    telemetry.getMeter("test"))
                .load(BundleRepository.open(root).get("shop-beque", 1))) {
      Span request = telemetry.getTracer("test").spanBuilder("request").startSpan();
      try (Scope _ = request.makeCurrent()) {
        long deadline = System.nanoTime() + PATIENT.toNanos();
        assertThat(rewriter.rewrite("couch", 16, deadline).rewrites()).isNotEmpty();
      }

      assertThat(spans.getFinishedSpanItems())
          .extracting(SpanData::getName)
          .contains("model shop-beque-encoder", "model shop-beque-decoder");
      assertThat(spans.getFinishedSpanItems())
          .extracting(SpanData::getParentSpanContext)
          .containsOnly(request.getSpanContext());
    }
  }

  private static OpenTelemetrySdk telemetry(InMemorySpanExporter spans) {
    return OpenTelemetrySdk.builder()
        .setTracerProvider(
            SdkTracerProvider.builder().addSpanProcessor(SimpleSpanProcessor.create(spans)).build())
        .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
        .build();
  }
}
