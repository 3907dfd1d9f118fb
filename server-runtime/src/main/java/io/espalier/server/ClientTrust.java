package io.espalier.server;

import io.grpc.netty.shaded.io.netty.handler.ssl.OpenSslCertificateException;
import java.net.Socket;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * A server's trust that tells a client what is wrong with its certificate: the transport would only
 * say that something is.
 */
final class ClientTrust extends X509ExtendedTrustManager {
  // OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY.
  private static final int EXPIRED = 10;
  private static final int UNKNOWN_AUTHORITY = 20;

  private final X509ExtendedTrustManager trust;

  ClientTrust(X509ExtendedTrustManager trust) {
    this.trust = trust;
  }

  private static CertificateException told(CertificateException refused) {
    int code = UNKNOWN_AUTHORITY;
    for (Throwable cause = refused; cause != null; cause = cause.getCause()) {
      if (cause instanceof CertificateExpiredException) {
        code = EXPIRED;
      }
    }
    return new OpenSslCertificateException(refused.getMessage(), refused, code);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine)
      throws CertificateException {
    try {
      trust.checkClientTrusted(chain, type, engine);
    } catch (CertificateException e) {
      throw told(e);
    }
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket)
      throws CertificateException {
    trust.checkClientTrusted(chain, type, socket);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
    trust.checkClientTrusted(chain, type);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine)
      throws CertificateException {
    trust.checkServerTrusted(chain, type, engine);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket)
      throws CertificateException {
    trust.checkServerTrusted(chain, type, socket);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
    trust.checkServerTrusted(chain, type);
  }

  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return trust.getAcceptedIssuers();
  }
}
