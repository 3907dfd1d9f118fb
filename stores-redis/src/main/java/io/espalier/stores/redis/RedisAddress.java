package io.espalier.stores.redis;

import io.lettuce.core.RedisURI;
import io.lettuce.core.SslVerifyMode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Pattern;

/**
 * Where a server is that speaks Redis's protocol: {@code
 * redis://[[user]:password@]host:port[/db][?password_file=FILE][&ca=FILE]}, or {@code rediss://}
 * for TLS.
 *
 * @param tls whether it is spoken to over TLS
 * @param user who is let in; empty for the default user
 * @param password by what; empty where none is asked for
 * @param database which of its databases
 * @param ca a file of the certificates that sign the server's, in PEM; empty for those of the JDK
 */
public record RedisAddress(
    boolean tls, String user, String password, String host, int port, int database, String ca) {
  private static final String FORM =
      "redis[s]://[[user]:password@]host:port[/db][?password_file=FILE][&ca=FILE]";
  private static final Pattern SCHEME = Pattern.compile("rediss?://.*");
  private static final Pattern DATABASE = Pattern.compile("/?|/[0-9]{1,4}");
  private static final Pattern CREDENTIALS = Pattern.compile("(?s)//.*@");

  /** Whether a text is meant to be such an address. */
  public static boolean isOne(String text) {
    return SCHEME.matcher(text).matches();
  }

  /** A text for people to read, without the user and the password of an address of any scheme. */
  public static String withoutSecrets(String text) {
    return CREDENTIALS.matcher(text).replaceFirst("//(hidden)@");
  }

  /**
   * Reads an address, and the files that it names.
   *
   * @throws IllegalArgumentException when it is not one; the message has no password in it
   * @throws UncheckedIOException when a file cannot be read
   */
  public static RedisAddress parse(String address) {
    URI uri;
    try {
      uri = new URI(address);
    } catch (URISyntaxException e) {
      throw bad(address);
    }
    String path = uri.getPath() == null ? "" : uri.getPath();
    if (!isOne(address)
        || uri.getHost() == null
        || uri.getPort() < 1
        || uri.getPort() > 65_535
        || uri.getFragment() != null
        || !DATABASE.matcher(path).matches()) {
      throw bad(address);
    }
    String credentials = uri.getUserInfo();
    int colon = credentials == null ? -1 : credentials.indexOf(':');
    if (credentials != null && colon < 0) {
      throw bad(address);
    }
    String password = credentials == null ? "" : credentials.substring(colon + 1);
    String ca = "";
    String options = uri.getQuery();
    for (String option : options == null ? new String[0] : options.split("&", -1)) {
      if (option.matches("password_file=.+") && password.isEmpty()) {
        password = read("password_file", option.substring(14));
      } else if (option.matches("ca=.+") && uri.getScheme().equals("rediss")) {
        ca = option.substring(3);
        read("ca", ca);
      } else {
        throw bad(address);
      }
    }
    return new RedisAddress(
        uri.getScheme().equals("rediss"),
        credentials == null ? "" : credentials.substring(0, colon),
        password,
        uri.getHost(),
        uri.getPort(),
        path.length() < 2 ? 0 : Integer.parseInt(path.substring(1)),
        ca);
  }

  private static String read(String option, String file) {
    try {
      return Files.readString(Path.of(file)).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(
          option + ": " + file + " (expected: a file that can be read)", e);
    }
  }

  private static IllegalArgumentException bad(String address) {
    return new IllegalArgumentException(
        "\"%s\" (expected: %s)".formatted(withoutSecrets(address), FORM));
  }

  /**
   * For the client.
   *
   * @param timeout how long a greeting may take
   */
  RedisURI uri(Duration timeout) {
    RedisURI.Builder builder =
        RedisURI.builder()
            .withHost(host)
            .withPort(port)
            .withDatabase(database)
            .withTimeout(timeout);
    if (tls) {
      builder.withSsl(true).withVerifyPeer(SslVerifyMode.FULL);
    }
    if (!user.isEmpty()) {
      builder.withAuthentication(user, password.toCharArray());
    } else if (!password.isEmpty()) {
      builder.withPassword(password.toCharArray());
    }
    return builder.build();
  }

  /** Without user and password. */
  @Override
  public String toString() {
    return (tls ? "rediss://" : "redis://") + host + ":" + port + "/" + database;
  }
}
