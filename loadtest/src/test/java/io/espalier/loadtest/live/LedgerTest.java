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
}
