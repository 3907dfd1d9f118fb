package io.espalier.shop;

import java.util.List;
import java.util.Locale;

/**
 * Draws products: each picture shows the product's kind in its colour, on a ground tinted by its
 * brand, with the brand's mark. A picture is an SVG document of a few kilobytes, the same bytes on
 * every machine, and needs no file until it is asked for.
 */
public final class ShopPictures {
  private static final List<String> GROUNDS =
      List.of("#f4efe6", "#eaf0f2", "#f3ebe9", "#ecf1e8", "#f0edf5", "#f6f1dd", "#e9eeee");
  private static final List<String> ACCENTS =
      List.of("#d8583f", "#2f6f8f", "#e0a528", "#4c8a5b", "#8a4f7d", "#c2506f", "#3f4f86");
  private static final String MULTICOLOUR = "#d94f4f";
  private static final String PASTEL = "#c9b6dd";
  private static final int DARK_LIMIT = 70;

  private final Shapes shapes = new Shapes();

  /** The picture of an item, as SVG text of 512 by 512. */
  public String draw(Item item) {
    int brand = number(item.brand());
    String ground = GROUNDS.get(brand % GROUNDS.size());
    String accent = ACCENTS.get(brand / GROUNDS.size() % ACCENTS.size());
    StringBuilder svg = new StringBuilder();
    svg.append(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"512\" height=\"512\" viewBox=\"0 0 128"
            + " 128\">");
    svg.append("<title>").append(escaped(item.title())).append("</title><defs>");
    svg.append(gradient(item.hex()));
    svg.append("</defs>");
    svg.append("<rect width=\"128\" height=\"128\" fill=\"").append(ground).append("\"/>");
    svg.append("<ellipse cx=\"64\" cy=\"103\" rx=\"42\" ry=\"6\" fill=\"#000\" opacity=\".10\"/>");
    svg.append(
        "<g transform=\"translate(14 12)\" stroke-linecap=\"round\" stroke-linejoin=\"round\">");
    for (Shapes.Part part : shapes.get(item.shape())) {
      String paint = paint(part.role(), item.hex(), accent);
      svg.append(part.svg());
      if (part.stroked()) {
        svg.append(" fill=\"none\" stroke=\"").append(paint).append("\"/>");
      } else {
        svg.append(" fill=\"").append(paint).append("\"");
        if (part.role() == Shapes.Role.BODY) {
          svg.append(" stroke=\"").append(outline(item.hex())).append("\" stroke-width=\".8\"");
        }
        svg.append(part.role() == Shapes.Role.GLASS ? " opacity=\".75\"/>" : "/>");
      }
    }
    svg.append("</g>");
    mark(svg, item.brand(), accent, brand);
    return svg.append("</svg>\n").toString();
  }

  /** The brand's mark: its first letter in one of four figures. */
  private static void mark(StringBuilder svg, String brand, String accent, int number) {
    svg.append(
        switch (number % 4) {
          case 0 -> "<circle cx=\"114\" cy=\"14\" r=\"9\"";
          case 1 -> "<rect x=\"105\" y=\"5\" width=\"18\" height=\"18\" rx=\"4\"";
          case 2 -> "<path d=\"M114 3 L125 14 L114 25 L103 14 Z\"";
          default -> "<path d=\"M105 5 L123 5 L123 16 Q114 27 105 16 Z\"";
        });
    svg.append(" fill=\"").append(accent).append("\"/>");
    svg.append(
        "<text x=\"114\" y=\"18\" font-family=\"Georgia, serif\" font-size=\"11\""
            + " font-weight=\"bold\" text-anchor=\"middle\" fill=\"#fff\">");
    svg.append(brand.charAt(0)).append("</text>");
  }

  private static String gradient(String hex) {
    List<String> stops =
        switch (hex) {
          case MULTICOLOUR -> List.of("#d94f4f", "#e9a23b", "#e8d24a", "#59a66a", "#4a80b8");
          case PASTEL -> List.of("#f3c6cf", "#f7e3b5", "#c9e4cf", "#c3d8ef", "#d8c9ea");
          default -> List.of(mixed(hex, 255, 0.14), hex, mixed(hex, 0, 0.10));
        };
    StringBuilder gradient =
        new StringBuilder("<linearGradient id=\"b\" x1=\"0\" y1=\"0\" x2=\"1\" y2=\".35\">");
    for (int i = 0; i < stops.size(); i++) {
      gradient
          .append("<stop offset=\"")
          .append(100 * i / (stops.size() - 1))
          .append("%\" stop-color=\"")
          .append(stops.get(i))
          .append("\"/>");
    }
    return gradient.append("</linearGradient>").toString();
  }

  private static String paint(Shapes.Role role, String hex, String accent) {
    boolean dark = brightness(hex) < DARK_LIMIT;
    return switch (role) {
      case BODY -> "url(#b)";
      case SHADE -> dark ? mixed(hex, 255, 0.16) : mixed(hex, 0, 0.20);
      case LIGHT -> mixed(hex, 255, dark ? 0.28 : 0.45);
      case DARK -> dark ? "#56585d" : "#34363a";
      case METAL -> "#c3c8cc";
      case WHITE -> "#fcfbf7";
      case WOOD -> "#c1935f";
      case GLASS -> "#cfe2e8";
      case LEAF -> "#6a9f5b";
      case ACCENT -> accent;
    };
  }

  /** Pale products need an edge against the ground. */
  private static String outline(String hex) {
    return mixed(hex, 0, brightness(hex) > 200 ? 0.22 : 0.12);
  }

  private static int brightness(String hex) {
    return (channel(hex, 0) * 3 + channel(hex, 1) * 6 + channel(hex, 2)) / 10;
  }

  private static String mixed(String hex, int with, double share) {
    StringBuilder out = new StringBuilder("#");
    for (int i = 0; i < 3; i++) {
      int value = (int) (channel(hex, i) * (1 - share) + with * share);
      out.append(String.format(Locale.ROOT, "%02x", value));
    }
    return out.toString();
  }

  private static int channel(String hex, int index) {
    return Integer.parseInt(hex.substring(1 + 2 * index, 3 + 2 * index), 16);
  }

  private static int number(String brand) {
    int number = 0;
    for (int i = 0; i < brand.length(); i++) {
      number = (number * 31 + brand.charAt(i)) & 0xffff;
    }
    return number;
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
