package io.espalier.retrieval;

/** One source of candidates: a bundle over a catalogue snapshot. Safe for use by many threads. */
interface Retriever {

  ScoreKind scoreKind();

  /** Whether the source has beams that a {@link Control} can choose otherwise. */
  default boolean isControlled() {
    return false;
  }

  /** The best legal items for a question; blocks while the source's models run. */
  Answer retrieve(Question question);

  /**
   * What the source does with an item for a question.
   *
   * @param item external id
   */
  Verdict explain(Question question, String item);
}
