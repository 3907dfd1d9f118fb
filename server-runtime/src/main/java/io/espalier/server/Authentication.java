package io.espalier.server;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.jspecify.annotations.Nullable;

/**
 * Says who calls, and lets only calls through whose caller may.
 *
 * <p>A server that knows bearers (the shared token: {@code authorization: Bearer …}; a JSON web
 * token) wants one. One that knows none takes a client's certificate for it. One that wants no
 * credentials at all trusts everybody who reaches it, if that is this machine alone or it is told
 * to; else everybody may do what is not guarded.
 *
 * <p>It never waits: nothing here leaves this process.
 */
final class Authentication implements ServerInterceptor {
  static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  static final Context.Key<Identity> CALLER = Context.key("espalier-caller");

  private static final String BEARER = "Bearer ";
  private static final int DNS = 2;
  private static final int URI = 6;

  private final Listens where;
  private final Secret token;
  private final Secret adminToken;
  private final @Nullable JwtVerifier jwt;
  private final boolean certificates;
  private final Set<String> clientNames;
  private final Identity nobody;
  private final String expected;

  /**
   * @param where what is served here
   * @param trusted whether everybody is who reaches this address
   */
  Authentication(ServerConfig config, @Nullable JwtVerifier jwt, Listens where, boolean trusted) {
    this.where = where;
    this.token = config.authToken();
    this.adminToken = config.admin().authToken();
    this.jwt = jwt;
    this.certificates = config.tls().hasTrust() && where != Listens.IN_PROCESS;
    this.clientNames = Set.copyOf(config.clientNames());
    this.nobody =
        new Identity("anybody", trusted ? Identity.EVERYTHING : Identity.UNGUARDED, null, false);
    this.expected =
        (token.isEmpty() && adminToken.isEmpty() ? "" : "this cluster's token")
            + (jwt == null ? "" : token.isEmpty() ? "a JSON web token" : ", or a JSON web token");
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    String method = call.getMethodDescriptor().getFullMethodName();
    Scope needed = Scope.of(method);
    if (!where.serves(needed)) {
      throw RequestException.permissionDenied(
          method + ": not served at this address (expected: " + where.other() + ")");
    }
    Identity caller = caller(call, headers);
    if (!caller.scopes().contains(needed)) {
      throw RequestException.permissionDenied(
          knowsNobody()
              ? method
                  + ": closed, since this server was given no credentials to know callers by"
                  + " (expected: auth_token, jwt or client certificates; or insecure: true behind"
                  + " something that knows them)"
              : method + ": not for this caller (expected: the scope " + needed.text() + ")");
    }
    Context context = Context.current().withValue(CALLER, caller);
    String tenant = caller.tenant();
    if (tenant != null) {
      context = context.withValue(Tenant.KEY, tenant);
    }
    return Contexts.interceptCall(context, call, headers, next);
  }

  private Identity caller(ServerCall<?, ?> call, Metadata headers) {
    String certificate = certificates ? certificate(call) : "";
    if (!knowsBearers()) {
      return certificates ? new Identity(certificate, Identity.EVERYTHING, null, false) : nobody;
    }
    String given = headers.get(AUTHORIZATION);
    if (given == null && token.isEmpty() && jwt == null) {
      // The admin's token alone is asked for nothing but what it guards.
      return new Identity("anybody", Identity.UNGUARDED, null, false);
    }
    if (given == null || !given.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
      throw RequestException.unauthenticated(
          "authorization: %s (expected: Bearer and %s)"
              .formatted(given == null ? "missing" : "of another kind", expected));
    }
    String bearer = given.substring(BEARER.length());
    if (adminToken.is(bearer)) {
      return new Identity("admin token", Identity.EVERYTHING, null, false);
    }
    if (token.is(bearer)) {
      return new Identity(
          "shared token",
          adminToken.isEmpty() ? Identity.EVERYTHING : Identity.UNGUARDED,
          null,
          false);
    }
    if (jwt != null) {
      return jwt.verify(bearer);
    }
    throw RequestException.unauthenticated(
        "authorization: another token (expected: Bearer and %s)".formatted(expected));
  }

  /** The name of the client's certificate, which TLS has verified. */
  private String certificate(ServerCall<?, ?> call) {
    SSLSession session = call.getAttributes().get(Grpc.TRANSPORT_ATTR_SSL_SESSION);
    List<String> names = List.of();
    try {
      if (session != null
          && session.getPeerCertificates()[0] instanceof X509Certificate certificate) {
        names = names(certificate);
      }
    } catch (SSLPeerUnverifiedException | CertificateParsingException e) {
      // Told below: a certificate without a name.
    }
    if (names.isEmpty()) {
      throw RequestException.unauthenticated(
          "client certificate: missing, or without a name (expected: one that names the client)");
    }
    if (clientNames.isEmpty()) {
      return names.getFirst();
    }
    for (String name : names) {
      if (clientNames.contains(name)) {
        return name;
      }
    }
    throw RequestException.permissionDenied(
        "client certificate: %s (expected: one of this server's client_names)".formatted(names));
  }

  private static List<String> names(X509Certificate certificate)
      throws CertificateParsingException {
    List<String> names = new ArrayList<>();
    Collection<List<?>> alternatives = certificate.getSubjectAlternativeNames();
    if (alternatives != null) {
      for (List<?> alternative : alternatives) {
        if (alternative.get(0) instanceof Integer kind
            && (kind == DNS || kind == URI)
            && alternative.get(1) instanceof String name) {
          names.add(name);
        }
      }
    }
    String subject = certificate.getSubjectX500Principal().getName();
    if (!subject.isEmpty()) {
      names.add(subject);
    }
    return names;
  }

  /** Whether no credentials are asked for. */
  boolean knowsNobody() {
    return !certificates && !knowsBearers();
  }

  private boolean knowsBearers() {
    return !token.isEmpty() || !adminToken.isEmpty() || jwt != null;
  }

  /** The caller of the current call. */
  static @Nullable Identity current() {
    return CALLER.get();
  }
}
