package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleId;
import io.espalier.server.ConfigFile;
import org.junit.jupiter.api.Test;

class RouteTextTest {
  private static final String YAML =
      """
      name: shop-search
      kind: search
      default: true
      rewriters:
        - {bundle: shop-beque@1, budget: {max: 40ms}}
      sources:
        - {bundle: shop-text@1, k: 300, use_rewrites: true, rewrite_k: 50}
        - {bundle: shop-dense@2}
      ranking: {bundle: shop-ranker@1, budget: {share: 0.5}}
      arms:
        list:
          - {name: control, weight: 1}
          - {name: other, weight: 1, override: {ranking: {bundle: shop-ranker@2}, sources: [{bundle: shop-text@3}]}}
      """;

  private final RouteText route = new RouteText("test", ConfigFile.parse(YAML, "test"));

  @Test
  void bundles_routeAndArms_areAllNamed() {
    assertThat(route.rewriterBundles()).containsExactly(BundleId.parse("shop-beque@1"));
    assertThat(route.sourceBundles())
        .containsExactly(
            BundleId.parse("shop-dense@2"),
            BundleId.parse("shop-text@1"),
            BundleId.parse("shop-text@3"));
    assertThat(route.rankerBundles())
        .containsExactly(BundleId.parse("shop-ranker@1"), BundleId.parse("shop-ranker@2"));
    assertThat(route.bundles()).hasSize(6);
  }

  @Test
  void sources_missingKeys_haveTheRoutersDefaults() {
    assertThat(route.sources())
        .containsExactly(
            new RouteText.Source(BundleId.parse("shop-text@1"), 300, 0, "always"),
            new RouteText.Source(BundleId.parse("shop-dense@2"), 100, 0, "always"));
    assertThat(route.maskSeen()).isFalse();
  }

  @Test
  void withoutRewriters_copy_asksNobodyForRewrites() {
    RouteText without = route.withoutRewriters("plain");
    assertThat(without.name()).isEqualTo("plain");
    assertThat(without.isDefault()).isFalse();
    assertThat(without.rewriterBundles()).isEmpty();
    assertThat(without.yaml()).doesNotContain("rewrite", "arms");
    assertThat(route.rewriterBundles()).as("the original").hasSize(1);
  }

  @Test
  void withoutBudgets_copy_hasNone() {
    assertThat(route.withoutBudgets().yaml()).doesNotContain("budget").contains("shop-ranker");
  }
}
