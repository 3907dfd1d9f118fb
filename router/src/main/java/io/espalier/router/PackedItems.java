package io.espalier.router;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.CodedOutputStream;
import io.espalier.catalog.v1.ScoreKind;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.retrieval.v1.Candidate;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.RandomAccess;

/**
 * A list's items in one array of bytes; an item is read anew whenever it is asked for.
 *
 * <p>Half a million items are kept for further pages. As objects each would be sixteen or so, which
 * the collector copies and follows.
 *
 * <p>An item is id, score, kind, hits, parts and rules one after the other, in protobuf's encoding
 * of each. What items share, the lists that they are from and the names of parts and rules, stands
 * there as a number. That a hit's candidate is the item itself is not said again.
 */
final class PackedItems extends AbstractList<ListItem> implements RandomAccess {
  private final byte[] bytes;
  private final int[] starts;
  private final List<SourceList> lists;
  private final List<String> names;

  private PackedItems(List<ListItem> items) {
    ByteArrayOutputStream written = new ByteArrayOutputStream(128 * items.size());
    CodedOutputStream out = CodedOutputStream.newInstance(written);
    Shared<SourceList> sharedLists = new Shared<>();
    Shared<String> sharedNames = new Shared<>();
    starts = new int[items.size()];
    try {
      for (int i = 0; i < starts.length; i++) {
        starts[i] = out.getTotalBytesWritten();
        write(items.get(i), sharedLists, sharedNames, out);
      }
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    bytes = written.toByteArray();
    lists = List.copyOf(sharedLists.all);
    names = List.copyOf(sharedNames.all);
  }

  /** The items as they are now. */
  static PackedItems of(List<ListItem> items) {
    return items instanceof PackedItems packed ? packed : new PackedItems(items);
  }

  @Override
  public int size() {
    return starts.length;
  }

  @Override
  public ListItem get(int index) {
    int start = starts[index];
    try {
      return read(CodedInputStream.newInstance(bytes, start, bytes.length - start));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void write(
      ListItem item, Shared<SourceList> lists, Shared<String> names, CodedOutputStream out)
      throws IOException {
    out.writeStringNoTag(item.id());
    out.writeDoubleNoTag(item.score());
    out.writeUInt32NoTag(item.kind().getNumber());
    out.writeUInt32NoTag(item.hits().size());
    for (ListItem.Hit hit : item.hits()) {
      out.writeUInt32NoTag(lists.number(hit.list()));
      out.writeUInt32NoTag(hit.rank());
      out.writeDoubleNoTag(hit.candidate().getScore());
      out.writeBoolNoTag(hit.candidate().getUnseen());
      out.writeUInt32NoTag(hit.candidate().getSemanticIdCount());
      for (int code = 0; code < hit.candidate().getSemanticIdCount(); code++) {
        out.writeInt32NoTag(hit.candidate().getSemanticId(code));
      }
    }
    out.writeUInt32NoTag(item.parts().size());
    for (ScorePart part : item.parts()) {
      out.writeUInt32NoTag(names.number(part.getName()));
      out.writeDoubleNoTag(part.getValue());
      out.writeBoolNoTag(part.getIsDefault());
    }
    out.writeUInt32NoTag(item.rules().size());
    for (String rule : item.rules()) {
      out.writeUInt32NoTag(names.number(rule));
    }
  }

  private ListItem read(CodedInputStream in) throws IOException {
    String id = in.readString();
    double score = in.readDouble();
    ScoreKind kind = ScoreKind.forNumber(in.readUInt32());
    List<ListItem.Hit> hits = new ArrayList<>();
    for (int left = in.readUInt32(); left > 0; left--) {
      SourceList list = lists.get(in.readUInt32());
      int rank = in.readUInt32();
      Candidate.Builder candidate =
          Candidate.newBuilder().setItemId(id).setScore(in.readDouble()).setUnseen(in.readBool());
      for (int codes = in.readUInt32(); codes > 0; codes--) {
        candidate.addSemanticId(in.readInt32());
      }
      hits.add(new ListItem.Hit(list, rank, candidate.build()));
    }
    List<ScorePart> parts = new ArrayList<>();
    for (int left = in.readUInt32(); left > 0; left--) {
      parts.add(
          ScorePart.newBuilder()
              .setName(names.get(in.readUInt32()))
              .setValue(in.readDouble())
              .setIsDefault(in.readBool())
              .build());
    }
    List<String> rules = new ArrayList<>();
    for (int left = in.readUInt32(); left > 0; left--) {
      rules.add(names.get(in.readUInt32()));
    }
    return new ListItem(id, score, kind, hits, parts, rules);
  }

  /** What items share, numbered in the order in which they first have it. */
  private static final class Shared<T> {
    private final List<T> all = new ArrayList<>();
    private final Map<T, Integer> numbers = new HashMap<>();
    private int next;

    /** Items have much the same in the same order: what followed last time is looked at first. */
    int number(T one) {
      if (next == all.size()) {
        next = 0;
      }
      if (all.isEmpty() || !all.get(next).equals(one)) {
        Integer known = numbers.putIfAbsent(one, all.size());
        if (known == null) {
          all.add(one);
        }
        next = known == null ? all.size() - 1 : known;
      }
      return next++;
    }
  }
}
