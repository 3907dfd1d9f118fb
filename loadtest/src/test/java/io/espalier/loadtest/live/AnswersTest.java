package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.Range;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AnswersTest {
  private static final long OFFSET = 105;
  private static final RetrieveRequest REQUEST =
      RetrieveRequest.newBuilder()
          .setBundle(SyntheticCatalogue.BUNDLE.name())
          .setBundleVersion(SyntheticCatalogue.BUNDLE.version())
          .setK(2)
          .addExclude("item-4")
          .setFilter(
              Filter.newBuilder().setRange(Range.newBuilder().setAttribute("price").setMax(1000)))
          .build();

  @TempDir private Path folder = Path.of("");
  private SyntheticCatalogue catalogue;
  private Answers answers;
  private Ledger ledger;

  @BeforeEach
  void write() throws Exception {
    Path models = Path.of(System.getProperty("espalier.root"), "model-repo");
    catalogue =
        SyntheticCatalogue.write(
            folder, BundleRepository.open(models).get("shop-tiger", 1), 100, 1);
    answers = new Answers(catalogue);
    ledger = new Ledger(100);
  }

  @Test
  void write_repository_verifies() {
    catalogue.repository().get(SyntheticCatalogue.BUNDLE).verify();
  }

  @Test
  void check_legalItems_findsNothing() {
    ledger.changed(2, OFFSET + 1, OptionalDouble.empty());
    answer(own(1), own(2));

    assertThat(answers.check(ledger)).isEqualTo(new Answers.Verdict(2, 0, 0));
  }

  @Test
  void check_itemRemovedByThatOffset_isIllegal() {
    ledger.changed(2, OFFSET, OptionalDouble.empty());
    answer(own(1), own(2));

    assertThat(answers.check(ledger)).isEqualTo(new Answers.Verdict(2, 1, 0));
  }

  @Test
  void check_priceOverTheFilters_isIllegal() {
    ledger.changed(1, OFFSET, OptionalDouble.of(1001));
    answer(own(1), own(2));

    assertThat(answers.check(ledger)).isEqualTo(new Answers.Verdict(2, 1, 0));
  }

  @Test
  void check_excludedOrTwiceOrUnderAnothersId_isIllegal() {
    answer(own(4), own(1));
    answer(own(1), own(1));
    answer(candidate(1, 2), own(3));

    assertThat(answers.check(ledger)).isEqualTo(new Answers.Verdict(6, 3, 0));
  }

  @Test
  void check_fewerThanAskedFor_isAShortList() {
    answer(own(1));

    assertThat(answers.check(ledger)).isEqualTo(new Answers.Verdict(1, 0, 1));
  }

  private void answer(Candidate... candidates) {
    var unused =
        answers.judge(
            REQUEST,
            RetrieveResponse.newBuilder()
                .addAllCandidates(List.of(candidates))
                .setCatalogOffset(OFFSET)
                .build());
  }

  private Candidate own(int item) {
    return candidate(item, item);
  }

  private Candidate candidate(int item, int withIdOf) {
    return Candidate.newBuilder()
        .setItemId(SyntheticCatalogue.id(item))
        .addAllSemanticId(catalogue.semanticId(withIdOf))
        .build();
  }
}
