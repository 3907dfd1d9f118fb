package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.server.RequestException;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class PageTokensTest {
  private final AtomicReference<Instant> now = new AtomicReference<>(Instant.EPOCH);
  private final PageTokens tokens = new PageTokens(new byte[32], now::get);
  private final UUID list = new UUID(1, 2);
  private final byte[] request =
      "the request.....".getBytes(java.nio.charset.StandardCharsets.UTF_8);

  @Test
  void verify_ownToken_givesListAndOffset() {
    String token = tokens.issue(list, 40, Instant.ofEpochSecond(60), request);
    assertThat(tokens.verify(token, request)).isEqualTo(new PageTokens.Page(list, 40));
    assertThat(token).matches("[A-Za-z0-9_-]{60}");
  }

  @Test
  void verify_anyBitChanged_isRefused() {
    byte[] token =
        Base64.getUrlDecoder().decode(tokens.issue(list, 40, Instant.ofEpochSecond(60), request));
    for (int bit = 0; bit < token.length * 8; bit++) {
      byte[] changed = token.clone();
      changed[bit / 8] ^= (byte) (1 << (bit % 8));
      refused(Base64.getUrlEncoder().withoutPadding().encodeToString(changed), request);
    }
  }

  @Test
  void verify_foreignOrExpired_isRefused() {
    String token = tokens.issue(list, 40, Instant.ofEpochSecond(60), request);
    refused(token, "another request.".getBytes(java.nio.charset.StandardCharsets.UTF_8));
    byte[] otherKey = new byte[32];
    otherKey[0] = 1;
    refused(
        new PageTokens(otherKey, now::get).issue(list, 40, Instant.ofEpochSecond(60), request),
        request);
    for (String text :
        List.of("", "x", token + "A", token.substring(1), "!".repeat(60), "é".repeat(60))) {
      refused(text, request);
    }
    now.set(Instant.ofEpochSecond(60));
    assertThatThrownBy(() -> tokens.verify(token, request)).hasMessageContaining("expired");
  }

  private void refused(String token, byte[] fingerprint) {
    assertThatThrownBy(() -> tokens.verify(token, fingerprint))
        .isInstanceOfSatisfying(
            RequestException.class,
            e -> assertThat(e.code()).isEqualTo(io.grpc.Status.Code.INVALID_ARGUMENT));
  }
}
