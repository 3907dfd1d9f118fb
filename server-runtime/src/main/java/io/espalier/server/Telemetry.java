package io.espalier.server;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.prometheus.PrometheusMetricReader;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.Aggregation;
import io.opentelemetry.sdk.metrics.ExplicitBucketHistogramOptions;
import io.opentelemetry.sdk.metrics.InstrumentSelector;
import io.opentelemetry.sdk.metrics.InstrumentType;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.SdkMeterProviderBuilder;
import io.opentelemetry.sdk.metrics.View;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SdkTracerProviderBuilder;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.samplers.Sampler;
import io.prometheus.metrics.exporter.httpserver.HTTPServer;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** What a process measures and traces, from its configuration to where that goes. */
public final class Telemetry implements AutoCloseable {
  /** Buckets of every histogram of seconds: what is served takes 1 to 100 ms. */
  static final List<Double> SECONDS =
      List.of(
          .0001, .0002, .0003, .0005, .001, .0015, .002, .003, .005, .0075, .01, .015, .02, .03,
          .04, .05, .075, .1, .15, .25, .5, 1.0, 2.5, 5.0, 10.0);

  private static final AttributeKey<String> SERVICE = AttributeKey.stringKey("service.name");
  private static final AttributeKey<String> INSTANCE =
      AttributeKey.stringKey("service.instance.id");
  private static final int FLUSH_SECONDS = 5;

  private final @Nullable OpenTelemetrySdk sdk;
  private final @Nullable HTTPServer endpoint;
  private final AtomicBoolean closed = new AtomicBoolean();

  private Telemetry(@Nullable OpenTelemetrySdk sdk, @Nullable HTTPServer endpoint) {
    this.sdk = sdk;
    this.endpoint = endpoint;
  }

  /**
   * Starts what is configured.
   *
   * @param service the name under which the process is known to those who watch it
   * @throws IOException when the endpoint's address cannot be had
   */
  public static Telemetry start(String service, TelemetryConfig config) throws IOException {
    if (config.isOff()) {
      return new Telemetry(null, null);
    }
    Resource resource =
        Resource.getDefault()
            .merge(
                Resource.create(
                    Attributes.of(SERVICE, service, INSTANCE, UUID.randomUUID().toString())));
    SdkMeterProviderBuilder meters =
        SdkMeterProvider.builder()
            .setResource(resource)
            .registerView(
                InstrumentSelector.builder().setType(InstrumentType.HISTOGRAM).setUnit("s").build(),
                View.builder()
                    .setAggregation(
                        Aggregation.explicitBucketHistogram(
                            ExplicitBucketHistogramOptions.builder()
                                .setBucketBoundaries(SECONDS)
                                .build()))
                    .build());
    SdkTracerProviderBuilder tracers = SdkTracerProvider.builder().setResource(resource);
    TelemetryConfig.Otlp otlp = config.otlp();
    if (otlp.endpoint().isEmpty()) {
      // Requests keep their trace's ids, which logs and exemplars show; no span is recorded for
      // nobody.
      tracers.setSampler(Sampler.parentBased(Sampler.alwaysOff()));
    } else {
      tracers
          .setSampler(Sampler.parentBased(Sampler.traceIdRatioBased(otlp.traceRatio())))
          .addSpanProcessor(
              BatchSpanProcessor.builder(
                      OtlpHttpSpanExporter.builder().setEndpoint(otlp.of("traces")).build())
                  .build());
      meters.registerMetricReader(
          PeriodicMetricReader.builder(
                  OtlpHttpMetricExporter.builder().setEndpoint(otlp.of("metrics")).build())
              .setInterval(otlp.interval())
              .build());
    }
    HTTPServer endpoint = null;
    Integer port = config.metrics().port();
    if (port != null) {
      PrometheusMetricReader reader =
          PrometheusMetricReader.builder().setOtelScopeLabelsEnabled(false).build();
      meters.registerMetricReader(reader);
      PrometheusRegistry registry = new PrometheusRegistry();
      registry.register(reader);
      endpoint =
          HTTPServer.builder()
              .hostname(config.metrics().host())
              .port(port)
              .registry(registry)
              .buildAndStart();
    }
    return new Telemetry(
        OpenTelemetrySdk.builder()
            .setMeterProvider(meters.build())
            .setTracerProvider(tracers.build())
            .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
            .build(),
        endpoint);
  }

  /** What components are given; measures nothing and costs nothing when nothing is configured. */
  public OpenTelemetry openTelemetry() {
    return sdk == null ? OpenTelemetry.noop() : sdk;
  }

  /** The port of the metrics' endpoint; −1 when there is none. */
  public int metricsPort() {
    return endpoint == null ? -1 : endpoint.getPort();
  }

  /** Whether requests carry a trace from server to server. */
  static boolean traces(OpenTelemetry telemetry) {
    return !telemetry.getPropagators().getTextMapPropagator().fields().isEmpty();
  }

  /** Sends what was not sent yet, within seconds, and stops. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      if (endpoint != null) {
        endpoint.close();
      }
      if (sdk != null) {
        var unused = sdk.shutdown().join(FLUSH_SECONDS, TimeUnit.SECONDS);
      }
    }
  }
}
