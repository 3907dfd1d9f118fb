package io.espalier.cli.eval;

/**
 * A retrieval source to be measured by itself.
 *
 * @param label its name in the report
 * @param bundle the bundle's name
 * @param version the bundle's version
 * @param k items to ask for
 * @param beam beam width; 0 for sources that have none
 */
public record SourceUnderTest(String label, String bundle, int version, int k, int beam) {}
