package io.espalier.loadtest.crash;

import io.espalier.catalog.v1.Change;
import io.espalier.catalog.v1.Item;
import io.espalier.catalog.v1.SemanticId;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.loadtest.live.SyntheticCatalogue;
import java.util.List;
import java.util.Random;

/**
 * What each client sends: the same change for the same client and number, to items that are that
 * client's own.
 */
final class Script {
  static final int CLIENTS = 2;
  private static final int ONE_REMOVAL_IN = 8;
  private static final int LONGEST_TEXT = 600;

  private final SyntheticCatalogue catalogue;
  private final long seed;

  Script(SyntheticCatalogue catalogue, long seed) {
    this.catalogue = catalogue;
    this.seed = seed;
  }

  /** The client's change with a number, from 1. */
  UpdateRequest change(int client, long number) {
    Random random = new Random(seed + 31 * number + client);
    int item = random.nextInt(catalogue.size() / CLIENTS) * CLIENTS + client;
    if (random.nextInt(ONE_REMOVAL_IN) == 0) {
      return UpdateRequest.newBuilder().setRemove(SyntheticCatalogue.id(item)).build();
    }
    Item upsert =
        catalogue.item(item, Math.toIntExact(number)).toBuilder()
            .setDescription("text ".repeat(random.nextInt(LONGEST_TEXT / "text ".length())))
            .build();
    return UpdateRequest.newBuilder().setUpsert(upsert).build();
  }

  /** That change as the log must hold it, whole. */
  Change record(int client, long number, long offset) {
    UpdateRequest change = change(client, number);
    Change.Builder record = Change.newBuilder().setOffset(offset);
    return change.hasUpsert()
        ? record
            .setUpsert(change.getUpsert())
            .addAllSemanticIds(semanticIds(change.getUpsert().getId()))
            .build()
        : record.setRemove(change.getRemove()).build();
  }

  private List<SemanticId> semanticIds(String id) {
    return List.of(
        SemanticId.newBuilder()
            .setBundle(SyntheticCatalogue.BUNDLE.name())
            .setVersion(SyntheticCatalogue.BUNDLE.version())
            .addAllCodes(catalogue.semanticId(SyntheticCatalogue.number(id)))
            .build());
  }

  /** Whose change it is that a record holds. */
  static int client(Change record) {
    String id = record.hasUpsert() ? record.getUpsert().getId() : record.getRemove();
    return SyntheticCatalogue.number(id) % CLIENTS;
  }
}
