package io.espalier.shop;

import java.util.Arrays;

/**
 * The generator's own forecast of a purchase: the true probability of every product given
 * everything that the generator knows about the user just before it, the day and the time since the
 * last purchase included.
 */
final class Oracle {
  /** Length of an oracle list. */
  static final int LENGTH = 100;

  private final Market market;

  Oracle(Market market) {
    this.market = market;
  }

  /**
   * The most probable products, best first; ties go to the lower index.
   *
   * @param follows the probability that the purchase follows from earlier ones
   */
  int[] forecast(Shopper shopper, int day, double follows) {
    double[] following = shopper.followingWishes();
    double[] taste = shopper.tasteWishes(day);
    double followingSum = Dice.sum(following);
    double tasteSum = Dice.sum(taste);
    double share = followingSum > 0 ? follows : 0;
    Best best = new Best();
    float[] examined = market.examinedIn(Market.week(day));
    double[] wishes = new double[taste.length];
    for (int t = 0; t < taste.length; t++) {
      wishes[t] =
          (followingSum > 0 ? share * following[t] / followingSum : 0)
              + (1 - share) * taste[t] / tasteSum;
    }
    for (int t : descending(wishes)) {
      double wish = wishes[t];
      if (wish <= best.floor()) {
        break;
      }
      double[] likes = shopper.likes(t, day);
      int[] candidates = market.byType[t];
      double all = 0;
      double seen = 0;
      for (int i = 0; i < likes.length; i++) {
        all += likes[i];
        seen += likes[i] * examined[candidates[i]];
      }
      if (all == 0) {
        continue;
      }
      for (int i = 0; i < likes.length; i++) {
        double probability =
            Channel.UNSEEN_SHARE * likes[i] / all
                + (1 - Channel.UNSEEN_SHARE) * likes[i] * examined[candidates[i]] / seen;
        if (probability > 0) {
          best.offer(candidates[i], wish * probability);
        }
      }
    }
    return best.items();
  }

  private static int[] descending(double[] values) {
    long[] keys = new long[values.length];
    for (int i = 0; i < keys.length; i++) {
      // the low bits of a non-negative double do not matter here, so they carry the index
      keys[i] = (Double.doubleToLongBits(values[i]) & ~0xFFFFL) | i;
    }
    Arrays.sort(keys);
    int[] order = new int[keys.length];
    for (int i = 0; i < order.length; i++) {
      order[i] = (int) (keys[keys.length - 1 - i] & 0xFFFF);
    }
    return order;
  }

  /** The best {@link #LENGTH} of what is offered: a heap with the worst of them on top. */
  private static final class Best {
    private final int[] items = new int[LENGTH];
    private final double[] scores = new double[LENGTH];
    private int size;

    double floor() {
      return size < LENGTH ? 0 : scores[0];
    }

    void offer(int item, double score) {
      if (size < LENGTH) {
        int at = size++;
        set(at, item, score);
        while (at > 0 && before((at - 1) / 2, at)) {
          swap(at, (at - 1) / 2);
          at = (at - 1) / 2;
        }
      } else if (score > scores[0] || (score == scores[0] && item < items[0])) {
        set(0, item, score);
        sink();
      }
    }

    /** Empties the heap. */
    int[] items() {
      int[] sorted = new int[size];
      while (size > 0) {
        sorted[size - 1] = items[0];
        size--;
        set(0, items[size], scores[size]);
        sink();
      }
      return sorted;
    }

    private void sink() {
      int at = 0;
      while (true) {
        int worst = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < size; child++) {
          if (before(worst, child)) {
            worst = child;
          }
        }
        if (worst == at) {
          return;
        }
        swap(at, worst);
        at = worst;
      }
    }

    private boolean before(int a, int b) {
      return scores[a] > scores[b] || (scores[a] == scores[b] && items[a] < items[b]);
    }

    private void set(int at, int item, double score) {
      items[at] = item;
      scores[at] = score;
    }

    private void swap(int a, int b) {
      int item = items[a];
      double score = scores[a];
      set(a, items[b], scores[b]);
      set(b, item, score);
    }
  }
}
