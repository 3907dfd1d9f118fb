package io.espalier.retrieval;

import io.espalier.inference.text.TextTokenizer;
import io.espalier.stores.catalog.CatalogItem;
import java.nio.LongBuffer;
import java.util.List;
import java.util.stream.IntStream;

/**
 * An item as TransRec's string of tokens, {@code || code … code ## category @@ title}. An item
 * without a semantic id begins with {@code ##}.
 */
final class ItemTokens {
  // Token 0 parts items in the recipe's corpus and stands in none.
  static final int ID = 1;
  static final int ATTRIBUTE = 2;
  static final int TITLE = 3;

  /** What a title is begun with: it is read, and stands in no item. */
  static final int START = 4;

  static final int FIRST_CODE = 5;

  private static final int CATEGORY_PARTS = 2;
  private static final int CATEGORY_TOKENS = 13;
  private static final int TITLE_TOKENS = 64;

  private final TextTokenizer tokenizer;
  private final Layout layout;

  ItemTokens(TextTokenizer tokenizer, Layout layout) {
    this.tokenizer = tokenizer;
    this.layout = layout;
  }

  /**
   * The numbers of the tokens: marks, codes by level, then those of texts.
   *
   * @param levels codes of an id
   * @param codes of a level
   * @param texts tokens of the tokenizer
   */
  record Layout(int levels, int codes, int texts) {

    int firstText() {
      return FIRST_CODE + levels * codes;
    }

    int size() {
      return firstText() + texts;
    }
  }

  Layout layout() {
    return layout;
  }

  /**
   * The tokens of an item.
   *
   * @param codes of its semantic id; none when it has none
   * @param text what {@link #text} made of it
   */
  int[] of(int[] codes, int[] text) {
    if (codes.length == 0) {
      return text;
    }
    int[] tokens = new int[1 + codes.length + text.length];
    tokens[0] = ID;
    for (int level = 0; level < codes.length; level++) {
      tokens[1 + level] = FIRST_CODE + level * layout.codes() + codes[level];
    }
    System.arraycopy(text, 0, tokens, 1 + codes.length, text.length);
    return tokens;
  }

  /** The tokens that need no semantic id: those from {@code ##} on. */
  int[] text(CatalogItem item) {
    IntStream.Builder tokens = IntStream.builder();
    tokens.add(ATTRIBUTE);
    List<String> path = item.category();
    List<String> last = path.subList(Math.max(0, path.size() - CATEGORY_PARTS), path.size());
    addText(tokens, String.join(" ", last), CATEGORY_TOKENS);
    tokens.add(TITLE);
    addText(tokens, item.title(), TITLE_TOKENS);
    return tokens.build().toArray();
  }

  private void addText(IntStream.Builder tokens, String text, int most) {
    LongBuffer ids = tokenizer.encode(text, most).ids().longs();
    while (ids.hasRemaining()) {
      tokens.add(layout.firstText() + Math.toIntExact(ids.get()));
    }
  }
}
