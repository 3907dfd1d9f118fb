package io.espalier.bundles;

import java.time.Duration;

/**
 * What becomes of a bundle version at one moment.
 *
 * @param current whether it is the one of its name that was shifted to last
 * @param users those who use it now
 * @param idle since it was last asked for, or began to serve; zero while it is loaded
 * @param failure why it does not serve; empty unless it failed
 */
public record ServedBundle(
    BundleId id, State state, boolean current, int users, Duration idle, String failure) {

  /** The states, in the order in which a version passes them. */
  public enum State {
    /** It is read, verified, loaded and warmed; it cannot be asked for yet. */
    LOADING,
    /** It could not be loaded; nothing of it is left. */
    FAILED,
    /** It can be asked for. */
    SERVING,
    /** It can no longer be asked for; those who use it still do. */
    DRAINING
  }
}
