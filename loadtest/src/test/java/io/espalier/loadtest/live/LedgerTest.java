package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class LedgerTest {
  @Test
  void price_betweenChanges_isThatOfTheLastOneBefore() {
    Ledger ledger = new Ledger(10);
    ledger.changed(3, 20, OptionalDouble.empty());
    ledger.changed(3, 15, OptionalDouble.of(7));

    assertThat(ledger.price(3, 14)).hasValue(SyntheticCatalogue.price(3, 0));
    assertThat(ledger.price(3, 15)).hasValue(7);
    assertThat(ledger.price(3, 19)).hasValue(7);
    assertThat(ledger.price(3, 20)).isEmpty();
    assertThat(ledger.price(10, 20)).isEmpty();
    assertThat(ledger.price(-1, 20)).isEmpty();
  }

  @Test
  void price_afterReturns_isWhatItWasThenUntilTheNextChange() {
    Ledger ledger = new Ledger(10);
    ledger.changed(3, 15, OptionalDouble.of(7));
    ledger.changed(3, 20, OptionalDouble.empty());
    ledger.rolledBack(22, 16);
    ledger.changed(3, 24, OptionalDouble.of(9));
    ledger.rolledBack(26, 12);
    // A return to a return.
    ledger.rolledBack(30, 23);

    assertThat(ledger.price(3, 21)).isEmpty();
    assertThat(ledger.price(3, 22)).hasValue(7);
    assertThat(ledger.price(3, 25)).hasValue(9);
    assertThat(ledger.price(3, 26)).hasValue(SyntheticCatalogue.price(3, 0));
    assertThat(ledger.price(3, 30)).hasValue(7);
  }
}
