// pgjdbc under a rule on sql.params: values in binary form, of types that its Parse says.
import java.sql.*;
import java.util.Properties;

public class JdbcParams {
  public static void main(String[] args) throws Exception {
    Properties p = new Properties();
    p.setProperty("user", System.getenv("DBUSER"));
    p.setProperty("sslmode", "disable");
    p.setProperty("prepareThreshold", "-1");  // binary from the first use
    try (Connection c = DriverManager.getConnection("jdbc:postgresql://" + System.getenv("HOST") + ":5432/app", p)) {
      for (long n : new long[] {4710, 4711, 4712}) {
        try (PreparedStatement s = c.prepareStatement("SELECT ?::bigint, ?::int, ?::float8")) {
          s.setLong(1, n);
          s.setInt(2, 1);
          s.setDouble(3, 0.5);
          try (ResultSet r = s.executeQuery()) { r.next(); System.out.println("passed " + r.getLong(1)); }
        } catch (SQLException e) { System.out.println(e.getSQLState() + " " + e.getMessage().lines().findFirst().get()); }
      }
    }
  }
}
