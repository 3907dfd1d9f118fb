package io.espalier.server;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.deser.std.StdDeserializer;
import com.fasterxml.jackson.databind.ser.std.StdSerializer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * A text that no log, description or error shows: given by itself, or as <code>{file: PATH}</code>,
 * which is read again as it changes.
 */
public final class Secret {
  private static final Secret NONE = new Secret("", null);
  private static final long AGE_NANOS = TimeUnit.SECONDS.toNanos(5);
  private static final int MAX_FILE_BYTES = 1 << 16;

  private final @Nullable Path file;
  private volatile String text;
  private volatile long readNanos = System.nanoTime();

  private Secret(String text, @Nullable Path file) {
    this.text = text;
    this.file = file;
  }

  /** No secret. */
  public static Secret none() {
    return NONE;
  }

  /** A secret that stays as it is; none where the text is empty. */
  public static Secret of(String text) {
    return text.isEmpty() ? NONE : new Secret(text, null);
  }

  /**
   * What a file holds, without the white space around it.
   *
   * @throws ConfigException when it cannot be read or holds nothing
   */
  public static Secret in(Path file) {
    try {
      return new Secret(read(file), file);
    } catch (IOException e) {
      throw new ConfigException("%s (expected: a file with a secret): %s".formatted(file, why(e)));
    }
  }

  private static String read(Path file) throws IOException {
    if (Files.size(file) > MAX_FILE_BYTES) {
      throw new IOException("more than " + MAX_FILE_BYTES + " bytes");
    }
    String text = Files.readString(file).strip();
    if (text.isEmpty()) {
      throw new IOException("empty");
    }
    return text;
  }

  private static String why(IOException e) {
    return e.getClass() == IOException.class
        ? String.valueOf(e.getMessage())
        : e.getClass().getSimpleName();
  }

  /** Whether there is none. */
  public boolean isEmpty() {
    return file == null && text.isEmpty();
  }

  /** The text itself: for comparing and sending alone. */
  public String reveal() {
    Path changing = file;
    if (changing != null && System.nanoTime() - readNanos > AGE_NANOS) {
      readNanos = System.nanoTime();
      try {
        text = read(changing);
      } catch (IOException e) {
        // Not held by the class: configuration is read before it is settled how logs are written.
        LoggerFactory.getLogger(Secret.class)
            .warn("{}: not readable ({}); the secret read before goes on", changing, why(e));
      }
    }
    return text;
  }

  /** Whether a text is this secret; takes as long whichever its first wrong letter is. */
  public boolean is(String given) {
    return !isEmpty() && MessageDigest.isEqual(bytes(given), bytes(reveal()));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Secret secret
        && MessageDigest.isEqual(bytes(text), bytes(secret.text))
        && Objects.equals(file, secret.file);
  }

  @Override
  public int hashCode() {
    return isEmpty() ? 0 : 1;
  }

  @Override
  public String toString() {
    return isEmpty() ? "" : "(set)";
  }

  static final class Reader extends StdDeserializer<Secret> {
    private static final long serialVersionUID = 1L;

    Reader() {
      super(Secret.class);
    }

    @Override
    public Secret deserialize(JsonParser parser, DeserializationContext context)
        throws IOException {
      if (parser.currentToken() == JsonToken.START_OBJECT) {
        JsonNode tree = context.readTree(parser);
        if (tree.size() == 1 && tree.path("file").isTextual()) {
          try {
            return in(Path.of(tree.path("file").textValue()));
          } catch (ConfigException | InvalidPathException e) {
            throw JsonMappingException.from(parser, e.getMessage());
          }
        }
      } else if (parser.currentToken().isScalarValue()) {
        return of(parser.getText());
      }
      throw JsonMappingException.from(parser, "(not shown) (expected: a text, or {file: PATH})");
    }

    @Override
    public Secret getNullValue(DeserializationContext context) {
      return NONE;
    }
  }

  /** Writes the secret itself, or that there is one. */
  static final class Writer extends StdSerializer<Secret> {
    private static final long serialVersionUID = 1L;

    private final boolean shown;

    Writer(boolean shown) {
      super(Secret.class);
      this.shown = shown;
    }

    @Override
    public void serialize(Secret value, JsonGenerator out, SerializerProvider provider)
        throws IOException {
      Path from = value.file;
      if (from != null) {
        out.writeStartObject();
        out.writeStringField("file", from.toString());
        out.writeEndObject();
      } else {
        out.writeString(shown ? value.text : value.toString());
      }
    }
  }
}
