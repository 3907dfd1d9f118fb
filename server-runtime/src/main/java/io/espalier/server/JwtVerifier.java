package io.espalier.server;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.BadJWTException;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.text.ParseException;
import java.time.Clock;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads who calls, and what he may, from a signed JSON web token (RFC 7519, and 9068's type).
 *
 * <p>Only algorithms of the configuration count, whatever the token's header says, and only keys of
 * their kind: neither {@code none} nor a public key used as an HMAC's secret gets through. A token
 * that was verified is known for the rest of its life, and for as long as the keys stay the same.
 */
final class JwtVerifier implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(JwtVerifier.class);
  private static final int KNOWN_TOKENS = 10_000;
  private static final int MAX_NAME = 256;

  private final JwtConfig config;
  private final JwtKeys keys;
  private final Clock clock;
  private final String expected;
  private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
  private final Map<String, Known> known =
      new LinkedHashMap<>(16, .75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Known> eldest) {
          return size() > KNOWN_TOKENS;
        }
      };

  private record Known(Identity identity, Instant expires, Object keys) {}

  JwtVerifier(JwtConfig config, JwtKeys keys, Clock clock) {
    this.config = config;
    this.keys = keys;
    this.clock = clock;
    this.expected =
        "a JSON web token of %s for %s, in its time, signed with one of its keys by %s"
            .formatted(
                config.issuer(), config.audience(), String.join(" or ", config.algorithms()));
    processor.setJWSTypeVerifier(
        new DefaultJOSEObjectTypeVerifier<>(
            JOSEObjectType.JWT, new JOSEObjectType("at+jwt"), null));
    processor.setJWSKeySelector(
        new JWSVerificationKeySelector<>(
            config.algorithms().stream().map(JWSAlgorithm::parse).collect(Collectors.toSet()),
            keys));
    processor.setJWTClaimsSetVerifier(claims());
  }

  private DefaultJWTClaimsVerifier<SecurityContext> claims() {
    DefaultJWTClaimsVerifier<SecurityContext> claims =
        new DefaultJWTClaimsVerifier<>(
            config.audience(),
            new JWTClaimsSet.Builder().issuer(config.issuer()).build(),
            Set.of("sub", "exp")) {
          @Override
          protected Date currentTime() {
            return Date.from(clock.instant());
          }
        };
    claims.setMaxClockSkew((int) config.clockSkew().toSeconds());
    return claims;
  }

  /** Whether tokens can be verified at all. */
  boolean isReady() {
    return keys.had();
  }

  /**
   * Who shows this token.
   *
   * @throws RequestException UNAUTHENTICATED when it proves nothing, with what was expected and
   *     nothing of the token; UNAVAILABLE while there are no keys yet
   */
  Identity verify(String token) {
    Identity before = known(token);
    if (before != null) {
      return before;
    }
    if (!keys.had()) {
      throw RequestException.unavailable("authorization: the issuer's keys cannot be had yet");
    }
    // The keys may change while the token is verified: it is known under the older ones then.
    Object version = keys.version();
    try {
      JWTClaimsSet claims = processor.process(SignedJWT.parse(token), null);
      Identity identity = identity(claims);
      synchronized (known) {
        known.put(token, new Known(identity, claims.getExpirationTime().toInstant(), version));
      }
      return identity;
    } catch (ParseException e) {
      throw unproved("not a signed token");
    } catch (BadJWTException e) {
      throw unproved(String.valueOf(e.getMessage()));
    } catch (KeySourceException e) {
      throw RequestException.unavailable("authorization: the issuer's keys cannot be had");
    } catch (BadJOSEException | JOSEException e) {
      throw unproved("a signature, algorithm, type or key that does not count here");
    } catch (RequestException e) {
      throw e;
    } catch (RuntimeException e) {
      // Strange bytes that the library did not expect either.
      log.debug("a token that cannot be read", e);
      throw unproved("not a signed token");
    }
  }

  private @Nullable Identity known(String token) {
    synchronized (known) {
      Known entry = known.get(token);
      if (entry == null) {
        return null;
      }
      Instant end = entry.expires().plus(config.clockSkew());
      if (entry.keys() == keys.version() && clock.instant().isBefore(end)) {
        return entry.identity();
      }
      known.remove(token);
      return null;
    }
  }

  private Identity identity(JWTClaimsSet claims) {
    String name = claims.getSubject();
    if (name.isBlank() || name.length() > MAX_NAME) {
      throw refused("sub: %d characters (expected: 1..%d)".formatted(name.length(), MAX_NAME));
    }
    return new Identity(name, scopes(claims), tenant(claims), true);
  }

  private Set<Scope> scopes(JWTClaimsSet claims) {
    Collection<?> names =
        switch (claims.getClaim(config.scopeClaim())) {
          case String text -> Arrays.asList(text.split(" ", -1));
          case List<?> list -> list;
          case null, default -> List.of();
        };
    EnumSet<Scope> scopes = EnumSet.noneOf(Scope.class);
    for (Scope scope : Scope.values()) {
      if (names.contains(scope.text())) {
        scopes.add(scope);
      }
    }
    return scopes;
  }

  private String tenant(JWTClaimsSet claims) {
    Object tenant = config.tenantClaim().isEmpty() ? null : claims.getClaim(config.tenantClaim());
    if (tenant == null) {
      return "";
    }
    if (tenant instanceof String text && text.length() <= Tenant.MAX_LENGTH) {
      return text;
    }
    throw refused(
        "%s: no text, or a long one (expected: up to %d characters)"
            .formatted(config.tenantClaim(), Tenant.MAX_LENGTH));
  }

  private RequestException unproved(String why) {
    return refused(why + " (expected: " + expected + ")");
  }

  private static RequestException refused(String why) {
    return RequestException.unauthenticated("authorization: " + why);
  }

  @Override
  public void close() {
    keys.close();
  }
}
