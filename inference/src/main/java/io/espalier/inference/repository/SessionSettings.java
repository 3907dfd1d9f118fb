package io.espalier.inference.repository;

/**
 * How the engine executes one graph; named as Triton's ONNX Runtime backend names them.
 *
 * @param intraOpThreads threads inside one operator; 0 takes one per core. One unless the model
 *     says otherwise: several instances that each spread over every core only fight for them
 * @param interOpThreads threads across operators, where {@code parallel}
 * @param parallel whether independent operators run side by side
 * @param optimization how far the graph is rewritten before it runs
 */
public record SessionSettings(
    int intraOpThreads, int interOpThreads, boolean parallel, Optimization optimization) {

  /** Levels of graph optimisation. */
  public enum Optimization {
    NONE,
    BASIC,
    EXTENDED,
    ALL
  }
}
