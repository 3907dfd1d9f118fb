package io.espalier.ranking;

/** Logarithm of a sum of exponentials, without overflow. */
final class LogSumExp {
  private LogSumExp() {}

  /** ln Σ exp(logit ÷ temperature). */
  static double of(float[] logits, double temperature) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = Math.max(max, logit / temperature);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit / temperature - max);
    }
    return max + Math.log(sum);
  }
}
