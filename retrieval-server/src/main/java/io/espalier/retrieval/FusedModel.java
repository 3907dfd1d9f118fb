package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.index.trie.TrieNodes;
import io.espalier.inference.ModelException;
import io.espalier.inference.onnx.GraphTemplate;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A TIGER bundle's fused graph, {@code fused_live}: of each snapshot of the catalogue a model is
 * made whose trie is constants, and loaded before the snapshot is searched. Where there is none,
 * its questions are decoded stepwise.
 *
 * <p>A snapshot of more than {@value #MAX_ITEMS} items has none: each request brings a bit for each
 * item.
 */
final class FusedModel implements Catalogue.SnapshotListener, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(FusedModel.class);

  static final int MAX_ITEMS = 1 << 22;

  private final Bundle bundle;
  private final TigerModel model;
  private final int beam;
  private final ModelCalls calls;
  private final GraphTemplate template;
  private final String config;
  // Threads inherit how nice the one is that starts them, and a model's own serve requests: they
  // are not started by whoever makes snapshots in what requests leave.
  private final ThreadPoolExecutor loader =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          Thread.ofPlatform().daemon().name("fused-loader").factory());
  // Of the newest snapshot first.
  private volatile List<FusedSnapshot> snapshots = List.of();
  private boolean closed;

  private FusedModel(
      Bundle bundle,
      TigerModel model,
      int beam,
      ModelCalls calls,
      GraphTemplate template,
      String config) {
    this.bundle = bundle;
    this.model = model;
    this.beam = beam;
    this.calls = calls;
    this.template = template;
    this.config = config;
    this.loader.prestartCoreThread();
  }

  /**
   * Reads a bundle's graph.
   *
   * @param beam the width that models are warmed with
   */
  static FusedModel open(Bundle bundle, TigerModel model, int beam, ModelCalls calls) {
    FusedFiles.clearAbandoned(Path.of(System.getProperty("java.io.tmpdir")));
    try {
      return new FusedModel(
          bundle,
          model,
          beam,
          calls,
          GraphTemplate.read(bundle.file("fused_live")),
          Files.readString(bundle.file("fused_live_config")));
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": files.fused_live", e);
    }
  }

  /** The search over a snapshot; null where it has no model. */
  @Nullable FusedSnapshot of(SemanticIdTrie snapshot) {
    for (FusedSnapshot made : snapshots) {
      if (made.isOf(snapshot)) {
        return made;
      }
    }
    return null;
  }

  @Override
  public void coming(CatalogueView view, List<ItemFilter> filters) {
    SemanticIdTrie trie = view.trie(bundle.id()).snapshot();
    if (trie.size() == 0 || trie.size() > MAX_ITEMS) {
      log.info(
          "{} is decoded stepwise: {} items (expected: 1..{})", bundle, trie.size(), MAX_ITEMS);
      return;
    }
    long start = System.nanoTime();
    TrieNodes nodes = trie.nodes();
    String name = FusedFiles.name(bundle.id(), view.offset(), nodes);
    try {
      FusedFiles files = new FusedFiles(template, config, model, beam);
      Path parent = FusedFiles.newParent();
      try {
        load(files.write(parent.resolve(name), nodes));
      } finally {
        FusedFiles.delete(parent);
      }
    } catch (IOException | ModelException e) {
      log.error("{}: {} could not be made; its questions are decoded stepwise", bundle, name, e);
      return;
    }
    add(new FusedSnapshot(name, trie, nodes, model.levels(), calls));
    log.info(
        "{}: {} nodes, made and loaded in {} ms",
        name,
        nodes.size(),
        TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
  }

  private void load(Path folder) {
    try {
      CompletableFuture.runAsync(() -> calls.load(folder), loader).join();
    } catch (RejectedExecutionException e) {
      throw new ModelException(ModelException.Reason.NOT_READY, bundle.id() + " was taken out", e);
    } catch (CompletionException e) {
      if (e.getCause() instanceof ModelException failure) {
        throw failure;
      }
      throw e;
    }
  }

  private synchronized void add(FusedSnapshot made) {
    if (closed) {
      // The bundle was taken out while a snapshot came.
      made.close();
      return;
    }
    List<FusedSnapshot> more = new ArrayList<>(snapshots);
    more.addFirst(made);
    snapshots = List.copyOf(more);
  }

  /** Frees the models of older snapshots, once the requests that use them have ended. */
  @Override
  public void replaced(CatalogueView view) {
    LiveTrie trie = view.state().tries().get(bundle.id());
    FusedSnapshot now = trie == null ? null : of(trie.snapshot());
    if (now != null) {
      // A snapshot of the same offset with the same ids has the same model.
      takeOlder(now).stream()
          .filter(older -> !older.name().equals(now.name()))
          .forEach(FusedSnapshot::close);
    }
  }

  private synchronized List<FusedSnapshot> takeOlder(FusedSnapshot than) {
    int kept = snapshots.indexOf(than) + 1;
    List<FusedSnapshot> older = snapshots.subList(kept, snapshots.size());
    snapshots = snapshots.subList(0, kept);
    return older;
  }

  @Override
  public synchronized void close() {
    closed = true;
    loader.shutdown();
    snapshots.forEach(FusedSnapshot::close);
    snapshots = List.of();
  }
}
