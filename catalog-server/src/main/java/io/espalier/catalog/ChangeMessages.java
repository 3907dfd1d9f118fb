package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.v1.Change;
import io.espalier.catalog.v1.Item;
import io.espalier.catalog.v1.RolledBack;
import io.espalier.catalog.v1.SemanticId;
import io.espalier.catalog.v1.Value;
import io.espalier.stores.catalog.AttributeValue;
import io.espalier.stores.catalog.CatalogItem;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.TreeMap;

/** Changes as messages and back. */
final class ChangeMessages {
  private ChangeMessages() {}

  static Change write(CatalogChange change) {
    return switch (change) {
      case CatalogChange.Removal removal -> Change.newBuilder().setRemove(removal.id()).build();
      case CatalogChange.Upsert upsert ->
          Change.newBuilder()
              .setUpsert(write(upsert.item()))
              .addAllSemanticIds(semanticIds(upsert))
              .build();
    };
  }

  /** The return to an earlier catalogue. */
  static Change rolledBack(long snapshot) {
    return Change.newBuilder()
        .setRolledBack(RolledBack.newBuilder().setSnapshotOffset(snapshot))
        .build();
  }

  static List<SemanticId> semanticIds(CatalogChange.Upsert upsert) {
    return new TreeMap<>(upsert.semanticIds())
        .entrySet().stream()
            .map(
                e ->
                    SemanticId.newBuilder()
                        .setBundle(e.getKey().name())
                        .setVersion(e.getKey().version())
                        .addAllCodes(e.getValue())
                        .build())
            .toList();
  }

  static Item write(CatalogItem item) {
    Item.Builder message =
        Item.newBuilder()
            .setId(item.id())
            .setTitle(item.title())
            .setBrand(item.brand())
            .addAllCategory(item.category())
            .setDescription(item.description())
            .setGroup(item.group());
    item.price().ifPresent(message::setPrice);
    item.stock().ifPresent(message::setStock);
    item.attributes().forEach((name, value) -> message.putAttributes(name, write(value)));
    return message.build();
  }

  private static Value write(AttributeValue value) {
    return switch (value) {
      case AttributeValue.Text text -> Value.newBuilder().setText(text.text()).build();
      case AttributeValue.Numeric number -> Value.newBuilder().setNumber(number.value()).build();
      case AttributeValue.Flag flag -> Value.newBuilder().setFlag(flag.value()).build();
    };
  }

  /** A change that {@link #write} made; not the return to an earlier catalogue. */
  static CatalogChange read(Change change) {
    if (change.getChangeCase() == Change.ChangeCase.REMOVE) {
      return new CatalogChange.Removal(change.getRemove());
    }
    Map<BundleId, List<Integer>> semanticIds = new LinkedHashMap<>();
    for (SemanticId id : change.getSemanticIdsList()) {
      semanticIds.put(
          new BundleId(id.getBundle(), id.getVersion()), List.copyOf(id.getCodesList()));
    }
    return new CatalogChange.Upsert(read(change.getUpsert()), semanticIds);
  }

  static CatalogItem read(Item item) {
    Map<String, AttributeValue> attributes = new TreeMap<>();
    item.getAttributesMap().forEach((name, value) -> attributes.put(name, read(value)));
    return new CatalogItem(
        item.getId(),
        item.getTitle(),
        item.getBrand(),
        item.getCategoryList(),
        item.getDescription(),
        item.hasPrice() ? OptionalDouble.of(item.getPrice()) : OptionalDouble.empty(),
        attributes,
        item.getGroup(),
        item.hasStock() ? OptionalLong.of(item.getStock()) : OptionalLong.empty());
  }

  private static AttributeValue read(Value value) {
    return switch (value.getKindCase()) {
      case NUMBER -> new AttributeValue.Numeric(value.getNumber());
      case FLAG -> new AttributeValue.Flag(value.getFlag());
      case TEXT, KIND_NOT_SET -> new AttributeValue.Text(value.getText());
    };
  }
}
