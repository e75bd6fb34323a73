// usage: java Fetch.java URL
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.stream.IntStream;

public class Fetch {
  static String base;

  static HttpRequest.Builder to(String path) {
    return HttpRequest.newBuilder(URI.create(base + path));
  }

  public static void main(String[] arguments) throws Exception {
    base = arguments[0];
    for (var version : HttpClient.Version.values()) {
      var client = HttpClient.newBuilder().version(version).followRedirects(HttpClient.Redirect.NORMAL).build();
      System.out.println(client.send(to("/echo?a=b").header("X-Test", "yes").build(), BodyHandlers.ofString()).body());
      var posted = to("/echo").POST(HttpRequest.BodyPublishers.ofByteArray(new byte[3 << 20])).build();
      System.out.println(client.send(posted, BodyHandlers.ofString()).body());
      System.out.println(client.send(to("/redirect").build(), BodyHandlers.ofString()).statusCode());
      byte[] large = client.send(to("/large").build(), BodyHandlers.ofByteArray()).body();
      System.out.println(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(large)));
      var many = IntStream.range(0, 50).mapToObj(n -> client.sendAsync(to("/echo?" + n).build(), BodyHandlers.ofString())).toList();
      for (var one : many) System.out.println(one.join().body());
      System.out.println(client.send(to("/empty").DELETE().build(), BodyHandlers.ofString()).statusCode());
    }
    System.out.println("done");
  }
}
