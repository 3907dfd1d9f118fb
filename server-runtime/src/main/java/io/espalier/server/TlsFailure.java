package io.espalier.server;

import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.Locale;
import java.util.Optional;
import javax.net.ssl.SSLException;

/** Why a connection could not be had over TLS, in words. */
final class TlsFailure {
  private TlsFailure() {}

  /** Empty where TLS is not the reason. */
  static Optional<String> of(Throwable failure) {
    boolean tls = false;
    Throwable last = failure;
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      last = cause;
      tls |= cause instanceof SSLException || cause.getClass().getName().contains("ssl.");
      if (cause instanceof CertificateExpiredException) {
        return Optional.of("the server's certificate has expired");
      }
      if (cause instanceof CertificateNotYetValidException) {
        return Optional.of("the server's certificate is not valid yet");
      }
      Optional<String> told = told(String.valueOf(cause.getMessage()).toLowerCase(Locale.ROOT));
      if (told.isPresent()) {
        return told;
      }
    }
    return tls ? Optional.of("TLS: " + last.getMessage()) : Optional.empty();
  }

  private static Optional<String> told(String message) {
    if (message.contains("certificate_required") || message.contains("certificate required")) {
      return Optional.of("the server wants a certificate of its clients");
    }
    if (message.contains("alert_certificate_expired")
        || message.contains("alert certificate exp")) {
      return Optional.of("the server refuses this client's certificate: it has expired");
    }
    if (message.contains("alert_unknown_ca")
        || message.contains("alert_certificate_unknown")
        || message.contains("alert_bad_certificate")) {
      return Optional.of("the server does not trust this client's certificate");
    }
    if (message.contains("unable to find valid certification path")
        || message.contains("path does not chain")
        || message.contains("no trust anchor")) {
      return Optional.of("the server's certificate is of an authority that is not trusted here");
    }
    if (message.contains("no subject alternative") || message.contains("no name matching")) {
      return Optional.of("the server's certificate is for another name");
    }
    if (message.contains("not an ssl/tls record")) {
      return Optional.of("the server speaks plaintext, not TLS");
    }
    return Optional.empty();
  }
}
