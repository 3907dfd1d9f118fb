package io.espalier.shop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.shop.ProductType.Attribute;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProductTypesTest {
  private final ProductTypes types = ProductTypes.load();

  @Test
  void load_allFiles_makesManyTypesInManyDepartments() {
    assertThat(types.all().stream().filter(type -> !type.isAccessory())).hasSizeGreaterThan(300);
    assertThat(types.all().stream().filter(ProductType::isAccessory)).hasSizeGreaterThan(50);
    assertThat(types.all().stream().map(ProductType::department).distinct()).hasSize(17);
  }

  @Test
  void load_everyType_hasAShapeColoursAndSomethingToVary() {
    Shapes shapes = new Shapes();
    Palette palette = new Palette();
    for (ProductType type : types.all()) {
      assertThat(shapes.get(type.shape())).as(type.id()).isNotEmpty();
      type.colours().forEach(palette::get);
      List<String> keys = type.attributes().stream().map(Attribute::key).toList();
      assertThat(type.varies())
          .as(type.id())
          .matches(key -> key.isEmpty() || key.equals("colour") || keys.contains(key));
    }
  }

  @Test
  void load_everyBrand_sellsInAKnownDepartmentAndEveryDepartmentHasTen() {
    List<Brand> brands = Brand.load(new Dice(1));
    List<String> departments =
        types.all().stream().map(ProductType::department).distinct().toList();
    for (Brand brand : brands) {
      assertThat(departments).as(brand.name()).containsAll(brand.departments());
      assertThat(brand.tier()).isBetween(1, 4);
    }
    for (String department : departments) {
      assertThat(brands.stream().filter(brand -> brand.departments().contains(department)))
          .as(department)
          .hasSizeGreaterThanOrEqualTo(9);
    }
  }

  @Test
  void byId_unknown_namesTheType() {
    assertThatThrownBy(() -> types.byId("yacht")).hasMessageContaining("type: yacht");
  }
}
