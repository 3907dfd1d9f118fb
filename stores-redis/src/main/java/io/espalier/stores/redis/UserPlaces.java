package io.espalier.stores.redis;

import io.espalier.stores.users.UserHash;
import java.util.Locale;

/**
 * The keys of the server under which a user's things are. They have his hash in them and not his
 * id; their braces keep them together where keys are spread over servers.
 */
enum UserPlaces {
  INTERACTIONS,
  IMPRESSIONS,
  INTERACTION_IDS,
  IMPRESSION_IDS,
  /**
   * Until when he is forgotten: late events are not stored, a data folder does not bring him back.
   */
  ERASED,
  /** What his records elsewhere are sealed with: its id, then the key. */
  KEY;

  /** What the key of an id is found under, the id coming after it. */
  static final String BY_ID = "espalier:2:key:";

  /** Who was erased of late, by the time of the server. */
  static final String ERASURES = "espalier:2:erasures";

  String of(String user) {
    return "espalier:2:{" + UserHash.of(user) + "}:" + name().toLowerCase(Locale.ROOT);
  }

  /** In the order in which {@code record.lua} takes them. */
  static String[] ofEvents(String user) {
    return new String[] {
      INTERACTIONS.of(user),
      IMPRESSIONS.of(user),
      INTERACTION_IDS.of(user),
      IMPRESSION_IDS.of(user),
      ERASED.of(user)
    };
  }

  /** In the order in which {@code erase.lua} takes them. */
  static String[] ofAll(String user) {
    return new String[] {
      INTERACTIONS.of(user),
      IMPRESSIONS.of(user),
      INTERACTION_IDS.of(user),
      IMPRESSION_IDS.of(user),
      ERASED.of(user),
      KEY.of(user),
      ERASURES
    };
  }
}
