package io.espalier.shop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.StringReader;
import java.util.List;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.xml.sax.InputSource;

class ShopPicturesTest {
  private final ShopPictures pictures = new ShopPictures();

  @Test
  void draw_everyItem_isAnSvgDocumentOfAFewKilobytes() throws Exception {
    DocumentBuilder parser = DocumentBuilderFactory.newInstance().newDocumentBuilder();
    for (Item item : Shop.generate(new ShopConfig(1, 800, 50, 200, 1)).items()) {
      String svg = pictures.draw(item);
      var root = parser.parse(new InputSource(new StringReader(svg))).getDocumentElement();
      assertThat(root.getTagName()).isEqualTo("svg");
      assertThat(root.getElementsByTagName("title").item(0).getTextContent())
          .isEqualTo(item.title());
      assertThat(svg.length()).isBetween(900, 8_000);
      assertThat(svg).isEqualTo(new ShopPictures().draw(item));
    }
  }

  @Test
  void draw_anotherTypeOrColour_looksDifferent() {
    List<Item> items = Shop.generate(new ShopConfig(1, 800, 50, 200, 1)).items();
    Item kettle = withShape(items, "kettle");
    Item tent = withShape(items, "tent");

    assertThat(body(pictures.draw(kettle))).isNotEqualTo(body(pictures.draw(tent)));
    assertThat(pictures.draw(kettle)).contains(kettle.hex());
  }

  @Test
  void get_unknownShape_namesIt() {
    assertThatThrownBy(() -> new Shapes().get("yacht")).hasMessageContaining("shape: yacht");
  }

  private static Item withShape(List<Item> items, String shape) {
    return items.stream().filter(item -> item.shape().equals(shape)).findFirst().orElseThrow();
  }

  private static String body(String svg) {
    return svg.substring(svg.indexOf("<g "), svg.indexOf("</g>"));
  }
}
