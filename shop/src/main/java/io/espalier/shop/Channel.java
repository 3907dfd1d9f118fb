package io.espalier.shop;

/** Where a purchase begins. */
enum Channel {
  SEARCH,
  FEED,
  /** A link, a letter, a friend: the shop showed no list. */
  OUTSIDE;

  static final double SEARCH_SHARE = 0.5;
  static final double UNSEEN_SHARE = 0.2;

  static Channel draw(Dice dice) {
    double u = dice.uniform();
    return u < SEARCH_SHARE ? SEARCH : u < 1 - UNSEEN_SHARE ? FEED : OUTSIDE;
  }
}
