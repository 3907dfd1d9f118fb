package io.espalier.retrieval;

import java.util.List;

/**
 * A finished beam.
 *
 * @param codes its semantic id
 * @param score the sum of its codes' log-probabilities
 * @param state the constraint's state at its end
 */
record Beam(List<Integer> codes, double score, long state) {}
