package io.espalier.server;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An authority of the tests' own that signs certificates as they need them: X.509 version 3 in DER,
 * written by hand (RFC 5280), since the JDK reads them and does not make them.
 */
public final class TestAuthority {
  private static final AtomicLong SERIALS = new AtomicLong(1_000);
  private static final DateTimeFormatter UTC_TIME =
      DateTimeFormatter.ofPattern("yyMMddHHmmss'Z'").withZone(ZoneOffset.UTC);
  private static final int SEQUENCE = 0x30;
  private static final int SET = 0x31;
  private static final byte[] TRUE = der(0x01, new byte[] {(byte) 0xff});
  private static final byte[] ECDSA_SHA256 = der(SEQUENCE, oid(1, 2, 840, 10045, 4, 3, 2));
  private static final byte[] COMMON_NAME = oid(2, 5, 4, 3);
  private static final byte[] BASIC_CONSTRAINTS = oid(2, 5, 29, 19);
  private static final byte[] ALTERNATIVE_NAMES = oid(2, 5, 29, 17);

  private final String name;
  private final KeyPair keys;
  private final X509Certificate certificate;

  /** A new authority that signs itself. */
  public TestAuthority(String name) {
    this.name = name;
    this.keys = keys();
    Instant now = Instant.now();
    this.certificate =
        certificate(name, keys, true, now.minus(Duration.ofDays(1)), now.plus(Duration.ofDays(9)));
  }

  /**
   * A certificate and its key.
   *
   * @param certificate for the name as DNS, and for 127.0.0.1
   */
  public record Issued(X509Certificate certificate, PrivateKey key) {
    /** Writes both, each at once, as those who rotate certificates do. */
    public void write(Path certificateFile, Path keyFile) {
      replace(keyFile, pem("PRIVATE KEY", key.getEncoded()));
      replace(certificateFile, pem(certificate));
    }
  }

  /** A certificate that is valid for days. */
  public Issued issue(String subject) {
    return issue(subject, Instant.now().plus(Duration.ofDays(5)));
  }

  /** A certificate that is valid until then. */
  public Issued issue(String subject, Instant end) {
    KeyPair pair = keys();
    return new Issued(
        certificate(subject, pair, false, end.minus(Duration.ofDays(30)), end), pair.getPrivate());
  }

  /** Its own certificate, as those who trust it need it. */
  public String pem() {
    return pem(certificate);
  }

  X509Certificate certificate() {
    return certificate;
  }

  /** Puts a file in the place of another at once. */
  public static void replace(Path file, String text) {
    try {
      Path beside = file.resolveSibling(file.getFileName() + ".new");
      Files.writeString(beside, text);
      Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static String pem(X509Certificate certificate) {
    try {
      return pem("CERTIFICATE", certificate.getEncoded());
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private static String pem(String label, byte[] der) {
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n"
        .formatted(label, Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der), label);
  }

  private static KeyPair keys() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private X509Certificate certificate(
      String subject, KeyPair pair, boolean authority, Instant from, Instant to) {
    byte[] extension =
        authority
            ? der(SEQUENCE, BASIC_CONSTRAINTS, TRUE, der(0x04, der(SEQUENCE, TRUE)))
            : der(
                SEQUENCE,
                ALTERNATIVE_NAMES,
                der(
                    0x04,
                    der(
                        SEQUENCE,
                        der(0x82, subject.getBytes(StandardCharsets.US_ASCII)),
                        der(0x87, new byte[] {127, 0, 0, 1}))));
    byte[] content =
        der(
            SEQUENCE,
            der(0xa0, der(0x02, new byte[] {2})),
            der(0x02, BigInteger.valueOf(SERIALS.incrementAndGet()).toByteArray()),
            ECDSA_SHA256,
            distinguished(name),
            der(SEQUENCE, time(from), time(to)),
            distinguished(subject),
            pair.getPublic().getEncoded(),
            der(0xa3, der(SEQUENCE, extension)));
    try {
      Signature signature = Signature.getInstance("SHA256withECDSA");
      signature.initSign(keys.getPrivate());
      signature.update(content);
      byte[] whole =
          der(SEQUENCE, content, ECDSA_SHA256, der(0x03, new byte[] {0}, signature.sign()));
      return (X509Certificate)
          CertificateFactory.getInstance("X.509")
              .generateCertificate(new ByteArrayInputStream(whole));
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] distinguished(String commonName) {
    return der(
        SEQUENCE,
        der(
            SET,
            der(SEQUENCE, COMMON_NAME, der(0x0c, commonName.getBytes(StandardCharsets.UTF_8)))));
  }

  private static byte[] time(Instant at) {
    return der(0x17, UTC_TIME.format(at).getBytes(StandardCharsets.US_ASCII));
  }

  private static byte[] oid(int first, int second, int... rest) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(first * 40 + second);
    for (int part : rest) {
      for (int shift = 28; shift > 0; shift -= 7) {
        if (part >> shift != 0) {
          out.write(0x80 | (part >> shift & 0x7f));
        }
      }
      out.write(part & 0x7f);
    }
    return der(0x06, out.toByteArray());
  }

  private static byte[] der(int tag, byte[]... parts) {
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      content.writeBytes(part);
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(tag);
    int length = content.size();
    if (length >= 0x100) {
      out.write(0x82);
      out.write(length >> 8);
    } else if (length >= 0x80) {
      out.write(0x81);
    }
    out.write(length & 0xff);
    out.writeBytes(content.toByteArray());
    return out.toByteArray();
  }
}
