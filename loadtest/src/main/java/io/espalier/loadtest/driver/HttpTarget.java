package io.espalier.loadtest.driver;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.IntFunction;

/** A JSON resource of a web server, over HTTP/1.1 connections that are kept. */
public final class HttpTarget implements Target {
  private static final int OK = 200;

  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .executor(Executors.newVirtualThreadPerTaskExecutor())
          .build();
  private final URI resource;
  private final Duration deadline;
  private final IntFunction<byte[]> bodies;

  /**
   * Posts to a resource; status 200 alone is an answer.
   *
   * @param deadline of each request
   * @param bodies the body of the request with a number
   */
  public HttpTarget(URI resource, Duration deadline, IntFunction<byte[]> bodies) {
    this.resource = resource;
    this.deadline = deadline;
    this.bodies = bodies;
  }

  @Override
  public void send(int number, Consumer<Outcome> done) {
    HttpRequest request =
        HttpRequest.newBuilder(resource)
            .timeout(deadline)
            .header("content-type", "application/json")
            .POST(BodyPublishers.ofByteArray(bodies.apply(number)))
            .build();
    var unused =
        client
            .sendAsync(request, BodyHandlers.ofByteArray())
            .whenComplete(
                (answer, failure) ->
                    done.accept(
                        failure == null && answer.statusCode() == OK
                            ? Outcome.OK
                            : Outcome.FAILED));
  }
}
