package io.espalier.shop;

/**
 * One line of the event log.
 *
 * @param time unix seconds
 * @param product position in the items file
 * @param query what was searched for; empty outside search
 * @param position place in the list that was shown, from 0; -1 when no list was shown
 * @param clicked whether the product was clicked in this list
 */
record Event(long time, Kind kind, int product, String query, int position, boolean clicked) {
  enum Kind {
    IMPRESSION("impression"),
    CLICK("click"),
    PURCHASE("purchase");

    final String text;

    Kind(String text) {
      this.text = text;
    }
  }
}
