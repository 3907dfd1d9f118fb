package io.espalier.cli.show;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.espalier.cli.show.Table.Side;
import org.junit.jupiter.api.Test;

class TableTest {
  private final Table table =
      new Table().column("#", Side.RIGHT).column("item", Side.LEFT, 6).column("price", Side.RIGHT);

  @Test
  void lines_twoRows_areAligned() {
    table.row("1", "chair", "9.50").row("10", "tab", "120.00");
    assertThat(table.lines(80))
        .containsExactly(
            " #  item    price", //
            " 1  chair    9.50",
            "10  tab    120.00");
  }

  @Test
  void lines_longCell_isCutWithAnEllipsis() {
    table.row("1", "armchair", "9.50");
    assertThat(table.lines(80)).endsWith("1  armch…   9.50");
  }

  @Test
  void lines_narrowTerminal_areCut() {
    table.row("1", "chair", "9.50");
    assertThat(table.lines(8)).endsWith("1  chai…");
  }

  @Test
  void row_wrongNumberOfCells_isRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> table.row("1"))
        .withMessage("cells: 1 (expected: 3)");
  }
}
