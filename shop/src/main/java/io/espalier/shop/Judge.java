package io.espalier.shop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Grades products for a search by what it really asks for: 3 the type and every condition, 2 the
 * type with one condition missed, 1 the type with more missed or a type that can stand in for it, 0
 * all else, accessories of the type included.
 */
final class Judge {
  private static final int ZEROES = 15;
  private static final int MOST_OF_A_GRADE = 60;

  private final Market market;
  private final Map<String, Set<String>> kin = new HashMap<>();

  Judge(Market market) {
    this.market = market;
    for (String line : Resources.lines("kin.txt")) {
      List<String> ids = List.of(line.split(" ", -1));
      for (String id : ids) {
        market.types.byId(id);
        kin.computeIfAbsent(id, key -> new HashSet<>()).addAll(ids);
      }
    }
  }

  int grade(Intent intent, Product product) {
    ProductType wanted = intent.type();
    if (product.type().index() == wanted.index()) {
      return StrictMath.max(1, 3 - intent.missed(product));
    }
    return standsIn(wanted, product.type()) ? 1 : 0;
  }

  private boolean standsIn(ProductType wanted, ProductType other) {
    if (wanted.isAccessory() || other.isAccessory()) {
      return wanted.isAccessory()
          && other.isAccessory()
          && wanted.department().equals(other.department())
          && wanted.noun().equals(other.noun());
    }
    return kin.getOrDefault(wanted.id(), Set.of()).contains(other.id())
        || (wanted.department().equals(other.department()) && wanted.head().equals(other.head()));
  }

  /** A judged product. */
  record Judgment(int product, int grade) {}

  /**
   * All products of grade 3, 2 and 1 (at most 60 of a grade, drawn), every accessory of the type
   * (they look alike and are not meant) up to the same number, and 15 of the remaining products; in
   * the order of the items file.
   */
  List<Judgment> pool(Intent intent, Dice dice) {
    List<List<Judgment>> byGrade =
        List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    List<Judgment> accessories = new ArrayList<>();
    for (Product product : market.products) {
      int grade = grade(intent, product);
      Judgment judgment = new Judgment(product.index(), grade);
      boolean near =
          product.type().accessoryOf().equals(intent.type().id())
              || product.type().id().equals(intent.type().accessoryOf());
      (grade == 0 && near ? accessories : byGrade.get(grade)).add(judgment);
    }
    List<Judgment> pool = new ArrayList<>(drawn(byGrade.get(0), ZEROES, dice));
    pool.addAll(drawn(accessories, MOST_OF_A_GRADE, dice));
    for (int grade = 1; grade <= 3; grade++) {
      pool.addAll(drawn(byGrade.get(grade), MOST_OF_A_GRADE, dice));
    }
    pool.sort((a, b) -> Integer.compare(a.product(), b.product()));
    return pool;
  }

  private static List<Judgment> drawn(List<Judgment> all, int most, Dice dice) {
    if (all.size() <= most) {
      return all;
    }
    int[] order = dice.permutation(all.size());
    List<Judgment> some = new ArrayList<>();
    for (int i = 0; i < most; i++) {
      some.add(all.get(order[i]));
    }
    return some;
  }
}
