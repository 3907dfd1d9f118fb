package io.espalier.server;

import com.google.protobuf.ByteString;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
import io.opentelemetry.proto.metrics.v1.Metric;
import io.opentelemetry.proto.trace.v1.ResourceSpans;
import io.opentelemetry.proto.trace.v1.Span;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;

/** Takes OTLP over HTTP as a collector does, by the protocol's own messages, and keeps it. */
public final class OtlpReceiver implements AutoCloseable {
  final Queue<Span> spans = new ConcurrentLinkedQueue<>();
  final Queue<Metric> metrics = new ConcurrentLinkedQueue<>();
  private final Map<ByteString, String> services = new ConcurrentHashMap<>();
  private final HttpServer server;

  public OtlpReceiver() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/v1/traces",
        exchange -> {
          ExportTraceServiceRequest.parseFrom(body(exchange))
              .getResourceSpansList()
              .forEach(this::keep);
          answer(exchange);
        });
    server.createContext(
        "/v1/metrics",
        exchange -> {
          ExportMetricsServiceRequest.parseFrom(body(exchange)).getResourceMetricsList().stream()
              .flatMap(resource -> resource.getScopeMetricsList().stream())
              .flatMap(scope -> scope.getMetricsList().stream())
              .forEach(metrics::add);
          answer(exchange);
        });
    server.start();
  }

  private void keep(ResourceSpans resource) {
    String service =
        resource.getResource().getAttributesList().stream()
            .filter(attribute -> attribute.getKey().equals("service.name"))
            .map(attribute -> attribute.getValue().getStringValue())
            .findFirst()
            .orElse("");
    resource.getScopeSpansList().stream()
        .flatMap(scope -> scope.getSpansList().stream())
        .forEach(
            span -> {
              services.put(span.getSpanId(), service);
              spans.add(span);
            });
  }

  /** The spans that came so far. */
  public Collection<Span> spans() {
    return List.copyOf(spans);
  }

  /** Names of the metrics that came so far. */
  public Set<String> metrics() {
    return metrics.stream().map(Metric::getName).collect(Collectors.toSet());
  }

  /** The name of the service that a span is of. */
  public String service(Span span) {
    return services.getOrDefault(span.getSpanId(), "");
  }

  public String endpoint() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  private static byte[] body(HttpExchange exchange) throws IOException {
    boolean zipped = "gzip".equals(exchange.getRequestHeaders().getFirst("Content-Encoding"));
    try (InputStream raw = exchange.getRequestBody();
        InputStream plain = zipped ? new GZIPInputStream(raw) : raw) {
      return plain.readAllBytes();
    }
  }

  private static void answer(HttpExchange exchange) throws IOException {
    exchange.getResponseHeaders().set("Content-Type", "application/x-protobuf");
    exchange.sendResponseHeaders(200, -1);
    exchange.close();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
