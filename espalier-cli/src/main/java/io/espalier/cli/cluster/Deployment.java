package io.espalier.cli.cluster;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.stores.catalog.DataFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * What a cluster serves: the routes of a model repository whose bundles were made for one
 * catalogue, and that catalogue.
 *
 * @param repository where the bundles are
 * @param data the catalogue, and what users did
 * @param routes those that fit the catalogue; at least one
 * @param further sources that are served though no route names them
 */
public record Deployment(
    BundleRepository repository, DataFolder data, List<RouteText> routes, List<BundleId> further) {
  public Deployment {
    routes = List.copyOf(routes);
    further = List.copyOf(further);
  }

  /** A deployment of the routes' own sources. */
  public Deployment(BundleRepository repository, DataFolder data, List<RouteText> routes) {
    this(repository, data, routes, List.of());
  }

  /**
   * Takes every route of {@code repository} whose bundles carry the fingerprint of {@code data}.
   *
   * @throws BundleException when there is none
   */
  public static Deployment of(BundleRepository repository, DataFolder data) {
    List<RouteText> all = routes(repository);
    List<RouteText> fitting = all.stream().filter(route -> fits(repository, data, route)).toList();
    if (fitting.isEmpty()) {
      throw new BundleException(
          "routes: none of the "
              + all.size()
              + " in "
              + repository.root().resolve("routes")
              + " is for the catalogue of "
              + data.directory()
              + " (expected: one whose bundles carry "
              + data.fingerprint()
              + "; make some with ./espalier train --data "
              + data.directory()
              + " --out DIR)");
    }
    return new Deployment(repository, data, fitting);
  }

  /** Every route file of a model repository. */
  public static List<RouteText> routes(BundleRepository repository) {
    Path folder = repository.root().resolve("routes");
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> file.toString().endsWith(".yaml"))
          .sorted()
          .map(RouteText::read)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean fits(BundleRepository repository, DataFolder data, RouteText route) {
    return route.bundles().stream()
        .allMatch(
            id -> repository.get(id).manifest().data().fingerprint().equals(data.fingerprint()));
  }

  /** The same with further routes. */
  public Deployment with(Collection<RouteText> more) {
    List<RouteText> all = new ArrayList<>(routes);
    all.addAll(more);
    return new Deployment(repository, data, all, further);
  }

  List<BundleId> rewriters() {
    return all(RouteText::rewriterBundles);
  }

  List<BundleId> sources() {
    Set<BundleId> bundles = new TreeSet<>(all(RouteText::sourceBundles));
    bundles.addAll(further);
    return List.copyOf(bundles);
  }

  List<BundleId> rankers() {
    return all(RouteText::rankerBundles);
  }

  private List<BundleId> all(Function<RouteText, Set<BundleId>> of) {
    Set<BundleId> bundles = new TreeSet<>();
    routes.forEach(route -> bundles.addAll(of.apply(route)));
    return List.copyOf(bundles);
  }
}
