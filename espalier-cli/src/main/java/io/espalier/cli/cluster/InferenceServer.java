package io.espalier.cli.cluster;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.oip.InferenceComponent;
import io.espalier.server.EspalierServer;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Builds the server of the embedded engine, which needs models alone: no routes and no data. */
public final class InferenceServer {
  private InferenceServer() {}

  /**
   * A server of the configuration's model repository, with every model that it names loaded.
   *
   * @param version this program's own
   */
  public static EspalierServer.Builder of(
      ServeConfig config, String version, OpenTelemetry telemetry) {
    Path repository = Path.of(config.modelRepo());
    boolean hasBundles = Files.isDirectory(repository.resolve("bundles"));
    BundleRepository bundles = hasBundles ? BundleRepository.open(repository) : null;
    EmbeddedModelRunner engine =
        new EmbeddedModelRunner(
            bundles == null ? repository : bundles.models(),
            telemetry.getMeter("io.espalier.inference"));
    try {
      return InferenceComponent.start(
              engine,
              config.inference(),
              version,
              // A folder of models alone, as Triton takes it, has no checksums.
              bundles == null ? model -> {} : model -> verify(bundles, model),
              telemetry)
          .install(
              EspalierServer.builder(Stage.INFERENCE.toString(), config.server())
                  .openTelemetry(telemetry))
          .closing(engine);
    } catch (RuntimeException e) {
      engine.close();
      throw e;
    }
  }

  /**
   * No byte of a model reaches the engine's native code before its checksum has been looked at: at
   * the start, and again when a client has it loaded later.
   */
  private static void verify(BundleRepository bundles, String model) {
    try {
      List<Bundle> of =
          bundles.list().stream()
              .map(bundles::get)
              .filter(bundle -> bundle.manifest().models().containsValue(model))
              .toList();
      if (of.isEmpty()) {
        throw new ModelException(
            Reason.NOT_READY, model + ": in no bundle (expected: one that has its checksum)");
      }
      of.forEach(Bundle::verify);
    } catch (BundleException e) {
      throw new ModelException(Reason.NOT_READY, String.valueOf(e.getMessage()), e);
    }
  }
}
