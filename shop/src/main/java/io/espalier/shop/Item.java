package io.espalier.shop;

import java.util.List;
import java.util.Map;

/**
 * One product of the shop, as a shopper sees it.
 *
 * @param id external id, {@code P} and digits
 * @param category path from the department to the type
 * @param price in euros
 * @param attributes name to value, in the order of the product page
 * @param group the same for all variants (colours, sizes) of one product
 * @param stock pieces left on the last day of the history; 0 when it is sold out
 * @param launched day of the history on which it came up for sale; 0 or less when it was there from
 *     the start
 * @param shape what its picture shows
 * @param hex its main colour, {@code #rrggbb}
 */
public record Item(
    String id,
    String title,
    String brand,
    List<String> category,
    String description,
    double price,
    Map<String, String> attributes,
    String group,
    int stock,
    int launched,
    String shape,
    String hex) {}
