package io.espalier.server;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.ILoggerFactory;
import org.slf4j.IMarkerFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.Marker;
import org.slf4j.event.Level;
import org.slf4j.helpers.BasicMarkerFactory;
import org.slf4j.helpers.LegacyAbstractLogger;
import org.slf4j.helpers.MessageFormatter;
import org.slf4j.helpers.NOPMDCAdapter;
import org.slf4j.spi.MDCAdapter;
import org.slf4j.spi.SLF4JServiceProvider;

/**
 * Remarks as JSON objects, one a line on standard error, with the ids of the trace that they belong
 * to.
 */
public final class JsonLogs implements SLF4JServiceProvider, ILoggerFactory {
  private static final String LEVEL = "io.espalier.logs.level";
  // Below INFO it writes whole frames, with the tokens among their headers.
  private static final String TRANSPORT = "io.grpc.netty";
  private static final JsonFactory JSON = new JsonFactory();

  private final Map<String, Logger> loggers = new ConcurrentHashMap<>();
  private final IMarkerFactory markers = new BasicMarkerFactory();
  private final MDCAdapter context = new NOPMDCAdapter();
  private final Level least = Level.valueOf(System.getProperty(LEVEL, Level.WARN.name()));

  /** For the logging library, which makes the one that is used. */
  public JsonLogs() {}

  /**
   * Has remarks written as they are configured; before the first of them.
   *
   * @throws IllegalStateException when something has logged before
   */
  public static void use(TelemetryConfig.Logs config) {
    if (config.format() == TelemetryConfig.Format.TEXT) {
      // What the text's own configuration file says holds where the level is not another.
      if (config.level() != TelemetryConfig.defaults().logs().level()) {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", config.level().name());
        System.setProperty(
            "org.slf4j.simpleLogger.log." + TRANSPORT, least(TRANSPORT, config.level()).name());
      }
      return;
    }
    System.setProperty(LEVEL, config.level().name());
    System.setProperty(LoggerFactory.PROVIDER_PROPERTY_KEY, JsonLogs.class.getName());
    ILoggerFactory used = LoggerFactory.getILoggerFactory();
    if (!(used instanceof JsonLogs)) {
      throw new IllegalStateException(
          "logs: "
              + used.getClass().getName()
              + " (expected: none in use before the first remark)");
    }
  }

  @Override
  public void initialize() {}

  @Override
  public ILoggerFactory getLoggerFactory() {
    return this;
  }

  @Override
  public IMarkerFactory getMarkerFactory() {
    return markers;
  }

  @Override
  public MDCAdapter getMDCAdapter() {
    return context;
  }

  @Override
  public String getRequestedApiVersion() {
    return "2.0.99";
  }

  @Override
  public Logger getLogger(String name) {
    return loggers.computeIfAbsent(name, n -> new JsonLogger(n, least(n, least), System.err));
  }

  private static Level least(String name, Level configured) {
    return name.startsWith(TRANSPORT) && configured.toInt() < Level.INFO.toInt()
        ? Level.INFO
        : configured;
  }

  /** One logger; what it writes is whole lines. */
  static final class JsonLogger extends LegacyAbstractLogger {
    private static final long serialVersionUID = 1L;

    private final transient PrintStream out;
    private final Level least;

    JsonLogger(String name, Level least, PrintStream out) {
      this.name = name;
      this.least = least;
      this.out = out;
    }

    @Override
    protected @Nullable String getFullyQualifiedCallerName() {
      return null;
    }

    @Override
    protected void handleNormalizedLoggingCall(
        Level level,
        @Nullable Marker marker,
        String message,
        Object @Nullable [] arguments,
        @Nullable Throwable thrown) {
      StringWriter line = new StringWriter();
      try (JsonGenerator json = JSON.createGenerator(line)) {
        json.writeStartObject();
        json.writeStringField("time", Instant.now().toString());
        json.writeStringField("level", level.name());
        json.writeStringField("logger", name);
        json.writeStringField("thread", Thread.currentThread().getName());
        json.writeStringField("message", MessageFormatter.basicArrayFormat(message, arguments));
        SpanContext trace = Span.current().getSpanContext();
        if (trace.isValid()) {
          json.writeStringField("trace_id", trace.getTraceId());
          json.writeStringField("span_id", trace.getSpanId());
        }
        if (thrown != null) {
          StringWriter stack = new StringWriter();
          thrown.printStackTrace(new PrintWriter(stack));
          json.writeStringField("error", stack.toString());
        }
        json.writeEndObject();
      } catch (IOException e) {
        throw new IllegalStateException("a string writer cannot fail", e);
      }
      out.println(line);
    }

    private boolean writes(Level level) {
      return level.toInt() >= least.toInt();
    }

    @Override
    public boolean isTraceEnabled() {
      return writes(Level.TRACE);
    }

    @Override
    public boolean isDebugEnabled() {
      return writes(Level.DEBUG);
    }

    @Override
    public boolean isInfoEnabled() {
      return writes(Level.INFO);
    }

    @Override
    public boolean isWarnEnabled() {
      return writes(Level.WARN);
    }

    @Override
    public boolean isErrorEnabled() {
      return writes(Level.ERROR);
    }
  }
}
