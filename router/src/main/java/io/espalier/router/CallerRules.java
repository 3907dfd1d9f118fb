package io.espalier.router;

import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ScoreKind;
import io.espalier.stores.catalog.AttributeValue;
import io.espalier.stores.catalog.CatalogItem;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What the caller wants moved: boosts and buries first, then groups, then pins.
 *
 * <p>Items that no rule touches keep their order, ties included.
 */
final class CallerRules {
  private final @Nullable Catalogue catalogue;

  CallerRules(@Nullable Catalogue catalogue) {
    this.catalogue = catalogue;
  }

  /**
   * A list after the rules.
   *
   * @param items the list
   * @param removed items that a rule took out, with the rule
   */
  record Ruled(List<ListItem> items, Map<String, String> removed) {}

  /**
   * Applies rules to a list.
   *
   * @param filter the request's, which pinned items must satisfy too
   * @param excluded items that must not be returned
   */
  Ruled apply(
      List<Route.Rule> rules, List<ListItem> list, Optional<Filter> filter, Set<String> excluded) {
    List<ListItem> items = list;
    Map<String, String> removed = new HashMap<>();
    for (Route.Rule rule : rules) {
      if (rule.boost() != null) {
        items = weigh(items, rule.boost(), "boost");
      } else if (rule.bury() != null) {
        items = weigh(items, rule.bury(), "bury");
      }
    }
    for (Route.Rule rule : rules) {
      if (rule.group() != null) {
        items = group(items, rule.group(), removed);
      }
    }
    return new Ruled(pin(rules, items, filter, excluded), removed);
  }

  private List<ListItem> weigh(List<ListItem> items, Route.Weighting weighting, String what) {
    Set<String> ids = new HashSet<>(weighting.ids());
    Predicate<CatalogItem> predicate =
        weighting.filter() == null ? item -> false : ItemPredicate.of(weighting.filter());
    String rule = what + " × " + weighting.factor();
    List<ListItem> weighed = new ArrayList<>(items.size());
    boolean moved = false;
    for (ListItem item : items) {
      if (ids.contains(item.id())
          || (weighting.filter() != null && find(item.id()).filter(predicate).isPresent())) {
        weighed.add(item.movedBy(rule, weighed(item, weighting.factor())));
        moved = true;
      } else {
        weighed.add(item);
      }
    }
    if (moved) {
      // A stable sort by score alone: whatever broke ties before goes on breaking them.
      weighed.sort((a, b) -> Double.compare(b.score(), a.score()));
    }
    return weighed;
  }

  /** Multiplies a score that starts at 0; adds the factor's logarithm to one that has a sign. */
  private static double weighed(ListItem item, double factor) {
    return switch (item.kind()) {
      case SCORE_KIND_RECIPROCAL_RANK,
          SCORE_KIND_BM25,
          SCORE_KIND_POPULARITY,
          SCORE_KIND_GROUNDING ->
          item.score() * factor;
      default -> item.score() + Math.log(factor);
    };
  }

  private List<ListItem> group(
      List<ListItem> items, Route.Group group, Map<String, String> removed) {
    Map<AttributeValue, Integer> kept = new HashMap<>();
    List<ListItem> grouped = new ArrayList<>(items.size());
    for (ListItem item : items) {
      Collection<AttributeValue> values =
          find(item.id())
              .map(found -> ItemPredicate.values(found, group.attribute()))
              .orElse(List.of());
      if (values.stream().anyMatch(value -> kept.getOrDefault(value, 0) >= group.max())) {
        removed.put(
            item.id(),
            "group: %d better items have the same %s".formatted(group.max(), group.attribute()));
        continue;
      }
      values.forEach(value -> kept.merge(value, 1, Integer::sum));
      grouped.add(item);
    }
    return grouped;
  }

  private List<ListItem> pin(
      List<Route.Rule> rules, List<ListItem> items, Optional<Filter> filter, Set<String> excluded) {
    Map<String, ListItem> byId = new LinkedHashMap<>();
    items.forEach(item -> byId.put(item.id(), item));
    ScoreKind kind = items.isEmpty() ? ScoreKind.SCORE_KIND_UNSPECIFIED : items.getFirst().kind();
    Predicate<CatalogItem> legal = filter.map(ItemPredicate::of).orElse(item -> true);
    TreeMap<Integer, ListItem> slots = new TreeMap<>();
    for (Route.Rule rule : rules) {
      if (rule.pin() == null) {
        continue;
      }
      int slot = rule.pin().position();
      for (String id : rule.pin().ids()) {
        if (excluded.contains(id) || find(id).filter(legal).isEmpty() || pinned(slots, id)) {
          continue;
        }
        while (slots.containsKey(slot)) {
          slot++;
        }
        ListItem known = byId.remove(id);
        ListItem item =
            known == null ? new ListItem(id, 0, kind, List.of(), List.of(), List.of()) : known;
        slots.put(slot, item.movedBy("pin @ " + rule.pin().position(), item.score()));
      }
    }
    if (slots.isEmpty()) {
      return items;
    }
    List<ListItem> placed = new ArrayList<>(byId.size() + slots.size());
    var rest = byId.values().iterator();
    while (rest.hasNext()) {
      ListItem pinned = slots.remove(placed.size());
      placed.add(pinned == null ? rest.next() : pinned);
    }
    placed.addAll(slots.values());
    return placed;
  }

  private static boolean pinned(Map<Integer, ListItem> slots, String id) {
    return slots.values().stream().anyMatch(item -> item.id().equals(id));
  }

  private Optional<CatalogItem> find(String id) {
    return catalogue == null ? Optional.empty() : catalogue.item(id);
  }
}
