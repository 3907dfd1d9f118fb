package io.espalier.shop;

import java.util.List;

/**
 * What a search asks for, whatever its words: a type, and conditions on it.
 *
 * @param conditions what else the product must be; each one that fails costs a grade
 */
record Intent(ProductType type, List<Condition> conditions) {

  /** One condition on a product. */
  sealed interface Condition {
    boolean met(Product product);
  }

  record OfBrand(Brand brand) implements Condition {
    @Override
    public boolean met(Product product) {
      return product.brand().index() == brand.index();
    }
  }

  /** One model: the product itself or a variant of it. */
  record OfGroup(int group) implements Condition {
    @Override
    public boolean met(Product product) {
      return product.group() == group;
    }
  }

  /** An accessory that fits a model. */
  record Fits(int group) implements Condition {
    @Override
    public boolean met(Product product) {
      return product.fits() == group;
    }
  }

  record OfColour(int family) implements Condition {
    @Override
    public boolean met(Product product) {
      return product.colourFamily() == family;
    }
  }

  record Has(String attribute, String value) implements Condition {
    @Override
    public boolean met(Product product) {
      return value.equals(product.item().attributes().get(attribute));
    }
  }

  record For(String use) implements Condition {
    @Override
    public boolean met(Product product) {
      return product.uses().contains(use);
    }
  }

  record Priced(double least, double most) implements Condition {
    @Override
    public boolean met(Product product) {
      return product.item().price() >= least && product.item().price() <= most;
    }
  }

  int missed(Product product) {
    int missed = 0;
    for (Condition condition : conditions) {
      missed += condition.met(product) ? 0 : 1;
    }
    return missed;
  }
}
