package io.espalier.retrieval;

/**
 * COBRA's BeamFusion (Yang et al., 2025): what a candidate under a beam is worth, {@code
 * Softmax(τ·φ) · Softmax(ψ·cos)}, of its beam's score φ and the cosine of the beam's dense vector
 * and the item's.
 *
 * <p>The paper does not say which set each softmax runs over. Here the first runs over the finished
 * beams, the second over the candidates of all beams together: inside one beam's few items the
 * cosine would be normalised away.
 *
 * @param tau weight of the beams' log-probabilities
 * @param psi weight of the cosines
 */
record BeamFusion(double tau, double psi) {

  /**
   * The natural logarithms of the candidates' products.
   *
   * @param beamScores the beams' log-probabilities
   * @param beamOf for each candidate the number of its beam
   * @param cosines of the candidates, from −1 to 1
   */
  double[] logScores(double[] beamScores, int[] beamOf, double[] cosines) {
    double[] ofBeams = logSoftmax(tau, beamScores);
    double[] logScores = logSoftmax(psi, cosines);
    for (int i = 0; i < logScores.length; i++) {
      logScores[i] += ofBeams[beamOf[i]];
    }
    return logScores;
  }

  private static double[] logSoftmax(double weight, double[] values) {
    double highest = Double.NEGATIVE_INFINITY;
    for (double value : values) {
      highest = Math.max(highest, weight * value);
    }
    double sum = 0;
    for (double value : values) {
      sum += Math.exp(weight * value - highest);
    }
    double[] logs = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      logs[i] = weight * values[i] - highest - Math.log(sum);
    }
    return logs;
  }
}
