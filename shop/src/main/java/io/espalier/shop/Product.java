package io.espalier.shop;

import java.util.List;

/**
 * An item with what only the generator knows about it.
 *
 * @param index position in the items file
 * @param group number of the product that it is a variant of
 * @param range number of its brand's range; products of one range are bought together
 * @param fits the group that an accessory belongs to; -1 for other products
 * @param colourFamily see {@link Palette}
 * @param uses what it is sold for
 * @param appeal how often it is bought by a shopper without a taste
 * @param availability the days on which it can be bought
 */
record Product(
    int index,
    Item item,
    ProductType type,
    Brand brand,
    int group,
    int range,
    int fits,
    String colour,
    int colourFamily,
    List<String> uses,
    double appeal,
    Availability availability) {}
