package io.espalier.server;

import io.espalier.server.AdmissionConfig.TenantConfig;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What each tenant lately had of a limit that all share, against its weighted share of it among
 * those who lately asked; and what is left of its quota.
 *
 * <p>While there is room any tenant may take it. When there is none, one that lately had clearly
 * less than its share is let in all the same: the others make up for it as their calls end. And
 * while one that had less is refused, those that had more leave the room that there is to it. So
 * shares hold over a second, not at each moment: of six places a tenant that asks for two on
 * average sometimes wants five.
 *
 * <p>Guarded by its owner's lock.
 */
final class Tenants {
  private static final long ACTIVE_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long FORGOTTEN_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final long WEIGHING_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
  private static final long HUNGRY_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
  private static final double MEMORY_NANOS = TimeUnit.SECONDS.toNanos(1);
  // Less than its share by more than what comes and goes between equals.
  private static final double CLEARLY = .9;
  // Names come from callers. Those beyond this many share one share.
  private static final int MOST = 1_000;

  private final AdmissionConfig config;
  private final Map<String, Entry> entries = new HashMap<>();
  private @Nullable Entry others;
  private final Lately all = new Lately();
  private double activeWeight;
  private long weighed;
  private long hungry = Long.MIN_VALUE / 2;

  Tenants(AdmissionConfig config) {
    this.config = config;
  }

  /** How many calls there were, older ones counting less. */
  private static final class Lately {
    private double calls;
    private long last;

    double calls(long now) {
      calls *= Math.exp((last - now) / MEMORY_NANOS);
      last = now;
      return calls;
    }

    void add(long now) {
      calls = calls(now) + 1;
    }
  }

  /** A tenant. */
  static final class Entry {
    private final TenantConfig has;
    private final Lately lately = new Lately();
    private double tokens;
    private long filled;
    private long lastAsked;
    private boolean counted;
    int inProgress;

    Entry(TenantConfig has, long now) {
      this.has = has;
      this.tokens = has.depth();
      this.filled = now;
    }

    /** Takes one call from its quota; false when nothing is left of it. */
    private boolean pay(long now) {
      if (has.rate() == 0) {
        return true;
      }
      tokens = Math.min(has.depth(), tokens + (now - filled) * 1e-9 * has.rate());
      filled = now;
      if (tokens < 1) {
        return false;
      }
      tokens--;
      return true;
    }

    double rate() {
      return has.rate();
    }

    private boolean active(long now) {
      return inProgress > 0 || now - lastAsked < ACTIVE_NANOS;
    }
  }

  /** The tenant that asks. */
  Entry asks(String name, long now) {
    Entry entry = entries.get(name);
    if (entry == null) {
      if (entries.size() < MOST || config.tenants().containsKey(name)) {
        entry = new Entry(config.of(name), now);
        entries.put(name, entry);
      } else {
        if (others == null) {
          others = new Entry(config.tenant(), now);
        }
        entry = others;
      }
    }
    entry.lastAsked = now;
    if (!entry.counted) {
      entry.counted = true;
      activeWeight += entry.has.weight();
    }
    if (now - weighed > WEIGHING_NANOS) {
      weigh(now);
    }
    return entry;
  }

  /** Whether its quota has room for a call, which is taken from it. */
  boolean pays(Entry entry, long now) {
    return entry.pay(now);
  }

  /** Whether it lately had so little that it is let in although there is no room. */
  boolean isFarBelowShare(Entry entry, long now) {
    return entry.lately.calls(now) < CLEARLY * share(entry, now);
  }

  /** Whether it leaves the room that there is to another. */
  boolean standsBack(Entry entry, long now) {
    return now - hungry < HUNGRY_NANOS && entry.lately.calls(now) > share(entry, now);
  }

  /** It was let in. */
  void letIn(Entry entry, long now) {
    entry.lately.add(now);
    all.add(now);
  }

  /** It was refused for want of room. */
  void refused(Entry entry, long now) {
    if (entry.lately.calls(now) < share(entry, now)) {
      hungry = now;
    }
  }

  private double share(Entry entry, long now) {
    return all.calls(now) * entry.has.weight() / activeWeight;
  }

  private void weigh(long now) {
    weighed = now;
    activeWeight = 0;
    for (Iterator<Entry> each = entries.values().iterator(); each.hasNext(); ) {
      Entry entry = each.next();
      count(entry, now);
      if (!entry.counted && now - entry.lastAsked > FORGOTTEN_NANOS) {
        each.remove();
      }
    }
    if (others != null) {
      count(others, now);
    }
  }

  private void count(Entry entry, long now) {
    entry.counted = entry.active(now);
    if (entry.counted) {
      activeWeight += entry.has.weight();
    }
  }
}
