package io.espalier.retrieval;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.LoggedChange;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The bundles that sources of a catalogue have semantic ids of, and who gives those: the bundle
 * itself, the log, or a snapshot. Not safe for several threads: the catalogue's lock guards it.
 */
final class LiveBundles {
  private final Map<BundleId, Catalogue.OwnIds> own = new HashMap<>();
  // Bundles that joined and that neither the log nor a snapshot has given ids of: none waits for
  // one that does.
  private final Set<BundleId> ungiven = new HashSet<>();
  // Bundles that came when the first sources were there.
  private final Set<BundleId> joinedLater = new HashSet<>();
  private boolean started;
  // Bundles that no source here has, and that the snapshot under the view would have ids of.
  private final Set<BundleId> passed = new HashSet<>();

  /** The first are there; those that come from here on join. */
  void started() {
    started = true;
  }

  /**
   * Adds a bundle.
   *
   * @param followed the changes since the snapshot
   * @throws BundleException when they give an id that its model cannot say
   */
  void add(BundleId bundle, Catalogue.OwnIds ids, List<LoggedChange> followed) {
    check(bundle, ids.shape(), followed);
    own.put(bundle, ids);
    if (started) {
      joinedLater.add(bundle);
      if (followed.stream().noneMatch(change -> idsOf(change).contains(bundle))) {
        ungiven.add(bundle);
      }
    }
  }

  void remove(BundleId bundle) {
    own.remove(bundle);
    joinedLater.remove(bundle);
    if (!ungiven.remove(bundle)) {
      // What others gave of its ids went with it.
      passed.add(bundle);
    }
  }

  /** Those that sources have. */
  Set<BundleId> all() {
    return own.keySet();
  }

  /** The ids that they were trained on; a copy. */
  Map<BundleId, Catalogue.OwnIds> own() {
    return new HashMap<>(own);
  }

  /** Bundles of which there may be ids that are not known here. */
  void pass(Set<BundleId> bundles) {
    passed.addAll(bundles);
  }

  boolean isPassed(BundleId bundle) {
    return passed.contains(bundle);
  }

  /**
   * Looks whether changes can be followed.
   *
   * @throws BundleException when they give an id that a bundle's model cannot say
   */
  void check(List<LoggedChange> changes) {
    own.forEach((bundle, ids) -> check(bundle, ids.shape(), changes));
  }

  private static void check(BundleId bundle, IdShape shape, List<LoggedChange> changes) {
    for (LoggedChange logged : changes) {
      if (logged.change() instanceof CatalogChange.Upsert upsert) {
        List<Integer> id = upsert.semanticIds().getOrDefault(bundle, List.of());
        if (!id.isEmpty()) {
          shape.check(bundle, upsert.id(), id);
        }
      }
    }
  }

  /** Changes were followed. */
  void given(List<LoggedChange> followed) {
    followed.forEach(change -> ungiven.removeAll(idsOf(change)));
  }

  /**
   * A snapshot takes the place of another and of what was followed since.
   *
   * @param ofSnapshot bundles that it has ids of
   */
  void know(List<LoggedChange> followed, Set<BundleId> ofSnapshot) {
    // What was followed before it is gone with its ids, also of bundles that it does not have.
    followed.forEach(change -> passed.addAll(idsOf(change)));
    passed.addAll(ofSnapshot);
    ungiven.removeAll(ofSnapshot);
  }

  /** The catalogue begins anew: what was given of those that joined is void. */
  void restarted() {
    ungiven.addAll(joinedLater);
  }

  /** Those of some bundles that are there since the start. */
  Set<BundleId> atFirst(Set<BundleId> bundles) {
    Set<BundleId> first = new TreeSet<>(bundles);
    first.removeAll(joinedLater);
    return first;
  }

  /** Those of some bundles whose ids a snapshot must have. */
  Set<BundleId> required(Set<BundleId> bundles) {
    Set<BundleId> required = new TreeSet<>(bundles);
    required.removeAll(ungiven);
    return required;
  }

  /** The same changes, whose items have the ids that bundles were trained on. */
  List<LoggedChange> withOwnIds(List<LoggedChange> changes) {
    return changes.stream().map(this::withOwnIds).toList();
  }

  private LoggedChange withOwnIds(LoggedChange logged) {
    if (!(logged.change() instanceof CatalogChange.Upsert upsert)) {
      return logged;
    }
    Map<BundleId, List<Integer>> more = null;
    for (Map.Entry<BundleId, Catalogue.OwnIds> bundle : own.entrySet()) {
      if (!upsert.semanticIds().containsKey(bundle.getKey())) {
        // A writer that does not have the bundle, or did not yet, says nothing of it.
        List<Integer> ids = bundle.getValue().of(upsert.id());
        if (!ids.isEmpty()) {
          more = more == null ? new HashMap<>(upsert.semanticIds()) : more;
          more.put(bundle.getKey(), ids);
        }
      }
    }
    return more == null
        ? logged
        : new LoggedChange(logged.offset(), new CatalogChange.Upsert(upsert.item(), more));
  }

  private static Set<BundleId> idsOf(LoggedChange logged) {
    return logged.change() instanceof CatalogChange.Upsert upsert
        ? upsert.semanticIds().keySet()
        : Set.of();
  }
}
