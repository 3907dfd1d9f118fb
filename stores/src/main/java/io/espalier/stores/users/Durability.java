package io.espalier.stores.users;

/** When an event that was acknowledged is safe from what. */
public enum Durability {
  /**
   * Forced to the disk before it is acknowledged: survives a power cut. Events that arrive together
   * share one force.
   */
  FORCED,
  /**
   * Handed to the operating system before it is acknowledged, forced when the store closes:
   * survives the end of the process, not that of the machine.
   */
  WRITTEN
}
