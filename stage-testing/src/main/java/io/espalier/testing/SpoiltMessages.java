package io.espalier.testing;

import java.util.Arrays;
import java.util.Random;

/** Messages with bytes changed, cut off, cut out, repeated or put in, in one or three places. */
final class SpoiltMessages {
  private final Random random;

  SpoiltMessages(long seed) {
    this.random = new Random(seed);
  }

  byte[] spoil(byte[] message) {
    byte[] spoilt = message.clone();
    for (int i = random.nextInt(3) == 0 ? 3 : 1; i > 0 && spoilt.length > 0; i--) {
      int at = random.nextInt(spoilt.length);
      int end = at + random.nextInt(Math.min(16, spoilt.length - at) + 1);
      spoilt =
          switch (random.nextInt(5)) {
            case 0 -> {
              spoilt[at] = (byte) random.nextInt(256);
              yield spoilt;
            }
            case 1 -> Arrays.copyOf(spoilt, at);
            case 2 -> join(spoilt, at, new byte[0], end);
            case 3 -> join(spoilt, end, Arrays.copyOfRange(spoilt, at, end), end);
            default -> {
              byte[] noise = new byte[random.nextInt(8)];
              random.nextBytes(noise);
              yield join(spoilt, at, noise, at);
            }
          };
    }
    return spoilt;
  }

  private static byte[] join(byte[] bytes, int to, byte[] middle, int from) {
    byte[] joined = Arrays.copyOf(bytes, to + middle.length + bytes.length - from);
    System.arraycopy(middle, 0, joined, to, middle.length);
    System.arraycopy(bytes, from, joined, to + middle.length, bytes.length - from);
    return joined;
  }
}
