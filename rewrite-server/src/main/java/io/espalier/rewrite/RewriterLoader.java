package io.espalier.rewrite;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleLoader;
import io.espalier.inference.ModelRunner;
import io.opentelemetry.api.metrics.Meter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Makes rewriters of bundles. */
final class RewriterLoader implements BundleLoader<Rewriter> {
  private final ModelRunner runner;
  private final RewriteSettings settings;
  private final Meter meter;

  RewriterLoader(ModelRunner runner, RewriteSettings settings, Meter meter) {
    this.runner = runner;
    this.settings = settings;
    this.meter = meter;
  }

  @Override
  public Rewriter load(Bundle bundle) {
    RewriteMetrics metrics = new RewriteMetrics(meter, bundle.id());
    Optional<Path> table = table(bundle);
    return switch (bundle.system()) {
      case "BEQUE" ->
          new BequeRewriter(
              table.map(RewriteTable::readBeque).orElseGet(RewriteTable::empty),
              bundle.hasModel("decoder")
                  ? Optional.of(BequeModel.load(bundle, runner))
                  : Optional.empty(),
              settings,
              metrics);
      case "Agent4Ranking" ->
          new PersonaRewriter(
              table.map(RewriteTable::readPersonas).orElseGet(RewriteTable::empty), metrics);
      default ->
          throw new BundleException(
              "bundle "
                  + bundle.id()
                  + ": system: "
                  + bundle.system()
                  + " (expected: BEQUE or Agent4Ranking)");
    };
  }

  private Optional<Path> table(Bundle bundle) {
    Optional<Path> other =
        settings
            .tables()
            .map(
                folder ->
                    folder
                        .resolve(bundle.name())
                        .resolve(Integer.toString(bundle.version()))
                        .resolve("table.tsv"))
            .filter(Files::isRegularFile);
    if (other.isPresent()) {
      return other;
    }
    return bundle.hasFile("table") ? Optional.of(bundle.file("table")) : Optional.empty();
  }

  @Override
  public void warm(Rewriter loaded) {
    loaded.warm();
  }
}
